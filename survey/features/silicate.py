"""The strength of the silicate feature at 9.7 micron.

S = ln(f / f_c), negative in absorption, after Spoon et al. 2007 (ApJ 654, L49): the flux density at
the feature over a power law through the continuum at 5.5 and 14.5 micron. Bands of PAHs beside the
feature raise its apparent depth; nothing is corrected for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from catalogs.reference import Line
from survey.features.spectrum import Bools, Spectrum
from survey.features.windows import free_samples
from survey.spectra.constants import MEDIAN_OVER_MEAN_ERROR

BLUE_UM = (5.3, 5.7)
FEATURE_UM = (9.5, 10.1)
RED_UM = (13.9, 15.1)
MIN_SAMPLES = 5


class SilicateStrength(NamedTuple):
    """The strength with its error, both NaN where the spectrum does not cover it."""

    strength: float
    error: float


class _Level(NamedTuple):
    log_wavelength: float
    log_flux: float
    error: float


def silicate_strength(spectrum: Spectrum, lines: Sequence[Line] = ()) -> SilicateStrength:
    """Measure the feature in a spectrum of the rest frame.

    Parameters
    ----------
    spectrum : Spectrum
        Flux density per wavelength.
    lines : sequence of Line
        Lines that must not count.

    Returns
    -------
    SilicateStrength
        The error is that of the three medians by the noise among neighbouring samples. That of the
        choice of a continuum is larger, and not in it.
    """
    free = free_samples(spectrum, lines)
    blue, feature, red = (_level(spectrum, free, at) for at in (BLUE_UM, FEATURE_UM, RED_UM))
    if blue is None or feature is None or red is None:
        return SilicateStrength(np.nan, np.nan)
    span = red.log_wavelength - blue.log_wavelength
    share = (feature.log_wavelength - blue.log_wavelength) / span
    continuum = (1 - share) * blue.log_flux + share * red.log_flux
    variance = feature.error**2 + ((1 - share) * blue.error) ** 2 + (share * red.error) ** 2
    return SilicateStrength(feature.log_flux - continuum, float(np.sqrt(variance)))


def _level(spectrum: Spectrum, free: Bools, window: tuple[float, float]) -> _Level | None:
    """Logarithms of wavelength and f_nu in one window; None without a positive median."""
    wavelength = spectrum.wavelength_um
    inside = (wavelength >= window[0]) & (wavelength <= window[1]) & np.isfinite(spectrum.flux)
    if (inside & free).sum() >= MIN_SAMPLES:
        inside &= free
    # At a low resolution lines reach over the whole window, and are low: the median bears them.
    if inside.sum() < MIN_SAMPLES:
        return None
    f_nu = spectrum.flux[inside] * wavelength[inside] ** 2
    middle = float(np.median(f_nu))
    if middle <= 0:
        return None
    noise = float(np.std(np.diff(f_nu))) / np.sqrt(2)
    error = MEDIAN_OVER_MEAN_ERROR * noise / np.sqrt(inside.sum()) / middle
    return _Level(float(np.log(np.median(wavelength[inside]))), float(np.log(middle)), float(error))
