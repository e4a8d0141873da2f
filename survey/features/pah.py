"""PAH bands, integrated above a straight continuum between their two windows.

Lines inside a band are subtracted with their measured flux, or interpolated across. The level of
the continuum dominates the error: it is the scatter among the four continua through one half of
each window, with noise and fringes (as for lines) added in quadrature.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catalogs.reference import Band
from survey.features.background import Background
from survey.features.continuum import RawFlux, integrate_above_continuum
from survey.features.spectrum import Bools, Floats, Spectrum

MIN_WINDOW_COVERED = 0.5
"""Fraction of a continuum window that must have been observed; below 1 the band is at an edge."""

MIN_BAND_COVERED = 0.95
ROUNDING = 1e-6

Range = tuple[float, float]


def integrate_band(
    background: Background,
    band: Band,
    *,
    masked_um: Sequence[Range],
    subtracted: Sequence[RawFlux],
) -> RawFlux:
    """Integrate one band.

    Parameters
    ----------
    masked_um : sequence of (low, high)
        Line windows to interpolate across.
    subtracted : sequence of RawFlux
        Lines to take off.
    """
    spectrum = background.spectrum
    blue, red = band.continuum_blue_um, band.continuum_red_um
    covered = [_covered(spectrum, window) for window in (blue, band.integration_um, red)]
    edge = covered[1] > 0 and min(covered) < 1 - ROUNDING
    if covered[1] < MIN_BAND_COVERED or min(covered) < MIN_WINDOW_COVERED:
        return RawFlux(np.nan, np.nan, np.nan, np.nan, edge)

    near = np.flatnonzero(_within(spectrum, (blue[0], red[1])))
    sides = [_within(spectrum, a, b) & background.free for a, b in _continuum_choices(blue, red)]
    rows = (len(sides), 1)
    integrals = integrate_above_continuum(
        np.tile(spectrum.wavelength_um[near], rows),
        np.tile(_interpolated_across(spectrum, masked_um)[near], rows),
        np.tile(spectrum.error[near], rows),
        np.tile(_overlap(spectrum, band.integration_um)[near], rows),
        np.array(sides)[:, near],
    )
    placement = _spread_of_choices(integrals.flux)
    # Noise is never taken to be better than independent, nor known worse without blanks.
    middle = np.array([np.mean(band.integration_um)])
    inflation = np.fmax(background.blanks.inflation_near(middle), 1.0)[0]
    fringes = background.fringes.error(spectrum, integrals.kernel[:1], near[np.newaxis])[0]
    line_variance = sum(line.error**2 for line in subtracted)
    variance = (inflation * integrals.error_scatter[0]) ** 2 + fringes**2 + placement**2
    return RawFlux(
        flux=float(integrals.flux[0]) - sum(line.flux for line in subtracted),
        error_propagated=float(np.sqrt(integrals.error_propagated[0] ** 2 + line_variance)),
        error_empirical=float(np.sqrt(variance + line_variance)),
        continuum=float(integrals.continuum[0]),
        edge=edge,
        width_um=float(integrals.width[0]),
        continuum_error=float(
            np.hypot(integrals.continuum_error[0], _spread_of_choices(integrals.continuum))
        ),
    )


def _spread_of_choices(values: Floats) -> float:
    """Scatter among the continua through halves of the windows, which come after the whole."""
    # Half a window may hold too few samples for a line through it.
    choices = values[1:][np.isfinite(values[1:])]
    return float(np.std(choices)) if choices.size else 0.0


def _continuum_choices(blue: Range, red: Range) -> list[tuple[Range, Range]]:
    """Both whole windows; then the four pairs of their halves."""
    return [(blue, red), *((a, b) for a in _halves(blue) for b in _halves(red))]


def _halves(window: Range) -> tuple[Range, Range]:
    middle = (window[0] + window[1]) / 2
    return (window[0], middle), (middle, window[1])


def _within(spectrum: Spectrum, *windows: Range) -> Bools:
    wavelength = spectrum.wavelength_um
    inside = [(wavelength >= low) & (wavelength <= high) for low, high in windows]
    return np.logical_or.reduce(inside)


def _interpolated_across(spectrum: Spectrum, windows_um: Sequence[Range]) -> Floats:
    if not windows_um:
        return spectrum.flux
    keep = ~_within(spectrum, *windows_um)
    return np.interp(spectrum.wavelength_um, spectrum.wavelength_um[keep], spectrum.flux[keep])


def _overlap(spectrum: Spectrum, window: Range) -> Floats:
    """Micron of every sample that lie inside the window."""
    edges = np.clip(spectrum.edges_um, *window)
    return np.diff(edges)


def _covered(spectrum: Spectrum, window: Range) -> float:
    """Fraction of the window that was observed."""
    low, high = (np.array([limit]) for limit in window)
    return float(spectrum.length_um(spectrum.good, low, high)[0] / (window[1] - window[0]))
