"""The continuum slope: alpha of f_nu proportional to lambda^alpha.

Rising to the red means alpha > 0. The medians of feature-free windows are fitted by a
straight line in log f_nu against log lambda. It is the shape of the dust continuum, and is
undefined if too little of the range of the windows was observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from catalogs.reference import Line
from survey.features.spectrum import Bools, Floats, Spectrum
from survey.features.windows import free_samples

MIN_SPAN = 1.2
"""Ratio of wavelengths that the windows used must span (12 to 17 micron is 1.4)."""

MIN_WINDOWS = 3
MIN_WINDOW_SAMPLES = 5


class Slope(NamedTuple):
    """Spectral index with its error, both NaN where undefined."""

    alpha: float
    error: float


def continuum_slope(
    spectrum: Spectrum, windows_um: Sequence[tuple[float, float]], lines: Sequence[Line] = ()
) -> Slope:
    """Fit a power law to the continuum windows (rest frame), lines left out.

    Parameters
    ----------
    spectrum : Spectrum
    windows_um : sequence of (low, high)
        Continuum without features.
    lines : sequence of Line
        Lines inside the windows that must not count.
    """
    free = free_samples(spectrum, lines)
    points = [point for window in windows_um if (point := _median(spectrum, free, window))]
    if len(points) < MIN_WINDOWS:
        return Slope(np.nan, np.nan)
    x, y = np.log(points).T
    if x.max() - x.min() < np.log(MIN_SPAN):
        return Slope(np.nan, np.nan)
    return _straight_line(x, y)


def _median(
    spectrum: Spectrum, free: Bools, window: tuple[float, float]
) -> tuple[float, float] | None:
    """Wavelength and f_nu (to a constant) of one window, None if it holds no continuum."""
    wavelength = spectrum.wavelength_um
    inside = free & (wavelength >= window[0]) & (wavelength <= window[1])
    if inside.sum() < MIN_WINDOW_SAMPLES:
        return None
    f_nu = float(np.median(spectrum.flux[inside] * wavelength[inside] ** 2))
    return (float(np.median(wavelength[inside])), f_nu) if f_nu > 0 else None


def _straight_line(x: Floats, y: Floats) -> Slope:
    offset = x - x.mean()
    slope = (offset @ y) / (offset @ offset)
    residual = y - y.mean() - slope * offset
    return Slope(
        alpha=float(slope),
        error=float(np.sqrt(residual @ residual / (x.size - 2) / (offset @ offset))),
    )
