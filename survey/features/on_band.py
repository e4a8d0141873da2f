"""Lines that cannot be told from the PAH band they stand on.

The continuum under a line is a parabola, which follows a band that is many line widths wide. At low
resolution a line is nearly as wide as a band is, and the integral above the continuum then finds a
"line" in every band. A line within one full width of a PAH feature is not told from it if

- the width expected of the line is more than an eighth of that of the feature, and
- what is found there is not as narrow as a line: of Gaussians of different widths over a straight
  continuum, one of up to 1.4 times the width expected has to fit significantly better than all
  broader ones.

The first never holds for lines of usual width at the resolution of MIRI/MRS; the second lets
bright lines be detected where it does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catalogs.reference import Line, PahProfile
from survey.features.spectrum import Bools, Floats, Spectrum, wavelengths_of
from survey.features.windows import REACH_FWHM
from survey.spectra.constants import FWHM_PER_SIGMA

MAX_WIDTH_RATIO = 1 / 8
"""Width expected of a line over that of a PAH feature, above which its width has to tell it."""

NARROW = (0.7, 1.0, 1.4)
WIDE = (2.0, 2.8, 4.0, 5.6)
"""Trial widths of what is found, in widths expected of a line."""

FIT_FWHM = 4.0
"""How far a fit reaches from its centre."""

MIN_SAMPLES = 8
MIN_GAIN = 9.0
"""3 sigma: by how much the narrow fit must be better, in minus twice the log of the likelihood."""


def lines_on_bands(
    spectrum: Spectrum, lines: Sequence[Line], profiles: Sequence[PahProfile]
) -> Bools:
    """Lines (M,) that cannot be told from a PAH feature in this spectrum."""
    centre = wavelengths_of(lines)
    width = spectrum.line_fwhm_at(centre)
    band_centre, band_width = (np.array(values) for values in zip(*profiles, strict=True))
    near = np.abs(centre[:, np.newaxis] - band_centre) < band_width
    unresolved = width[:, np.newaxis] > MAX_WIDTH_RATIO * band_width
    suspect = (near & unresolved).any(axis=1) & spectrum.covers(centre)
    others = spectrum.good.copy()
    for row in np.flatnonzero(suspect):
        suspect[row] = not _is_narrow(spectrum, others, float(centre[row]), float(width[row]))
    return np.asarray(suspect)


def _is_narrow(spectrum: Spectrum, usable: Bools, centre_um: float, fwhm_um: float) -> bool:
    """Whether what is at this wavelength is significantly narrower than a band."""
    distance = (spectrum.wavelength_um - centre_um) / fwhm_um
    used = usable & (np.abs(distance) <= FIT_FWHM)
    sides = [np.count_nonzero(used & (sign * distance > REACH_FWHM)) for sign in (-1, 1)]
    if min(sides) < MIN_SAMPLES / 2:
        return False
    distance, flux = distance[used], spectrum.flux[used]
    narrow, wide = (
        min(_misfit(distance, flux, trial) for trial in trials) for trials in (NARROW, WIDE)
    )
    return bool(wide - narrow > MIN_GAIN)


def _misfit(distance: Floats, flux: Floats, fwhm: float) -> float:
    """Minus twice the logarithm of the likelihood of a line of this width, as far as it counts."""
    gaussian = np.exp(-((distance * FWHM_PER_SIGMA / fwhm) ** 2) / 2)
    design = np.column_stack([np.ones_like(distance), distance, gaussian])
    solution, *_ = np.linalg.lstsq(design, flux, rcond=None)
    if solution[2] <= 0:
        design = design[:, :2]
        solution, *_ = np.linalg.lstsq(design, flux, rcond=None)
    residual = flux - design @ solution
    return float(len(flux) * np.log(max(float(residual @ residual), np.finfo(float).tiny)))
