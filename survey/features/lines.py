"""Emission lines by direct integration, with errors from what the same does to nothing.

Lengths are in units of the FWHM expected of a line (instrument and galaxy in quadrature):

    |--- side ---|  |=== window ===|  |--- side ---|
   -4          -1.5 -1.25   0   1.25 1.5           4

A Gaussian line of that width has 99.7% of its flux in the window, one half as wide again
95%. Side samples inside the reach of another catalogued line are left out, and the side
extends outwards instead. The same integration, displaced to where no line is catalogued,
should give nothing. What it does give, in units of the scatter of the samples about it, tells
how much correlated noise, fringes and the curvature of the continuum add to that scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from catalogs.reference import Line
from survey.features.continuum import Integrals, RawFlux, integrate_above_continuum
from survey.features.spectrum import INTRINSIC_FWHM_KM_S, LIGHT_KM_S, Bools, Floats, Spectrum

WINDOW_FWHM = 1.25
REACH_FWHM = 1.5
SIDE_FWHM = 2.5
FARTHEST_SIDE_FWHM = 12.0
"""Beyond this a side sample says nothing of the continuum under the line."""

MIN_HALF_WINDOW_FWHM = 0.5
"""A window cut closer than this holds too little of its line to be a measurement."""

FEWEST_WANTED = 4
"""Samples of a side where the spectrum is coarse."""

MIN_SIDE_FRACTION = 1 / 3
"""Of the samples wanted on a side; with fewer there is no continuum."""

MAX_MISSING = 0.2
"""Fraction of a window that may be interpolated."""

LOCAL_BLANKS = 12
"""Windows over which the noise is taken to be the same."""

NEAREST_BLANKS = 60
"""Windows that tell how much worse than independent the noise is, to some 15%."""

MIN_BLANKS = 12
ONE_SIGMA_PERCENT = 68.27


@dataclass(frozen=True)
class LineWindows:
    """Integration windows; arrays of shape (M,).

    `narrowed` where a neighbour takes part of the window.
    """

    center_um: Floats
    low_um: Floats
    high_um: Floats
    narrowed: Bools


@dataclass(frozen=True)
class Blanks:
    """Integrations of windows without lines, in order of wavelength; arrays of shape (B,).

    `flux` should be zero; `error_scatter` is its error if samples were independent.
    """

    center_um: Floats
    flux: Floats
    error_scatter: Floats

    def error_near(self, wavelength_um: Floats) -> Floats:
        """Empirical error of lines at these wavelengths; NaN if there are too few blanks."""
        local = self._near(wavelength_um, self.error_scatter, LOCAL_BLANKS)
        return np.median(local, axis=1) * self.inflation_near(wavelength_um)

    def inflation_near(self, wavelength_um: Floats) -> Floats:
        """By how much errors of independent samples are too small; NaN as above."""
        # About zero and not about their mean: an offset that all blanks share is an error.
        pulls = self._near(wavelength_um, np.abs(self.flux) / self.error_scatter, NEAREST_BLANKS)
        return np.percentile(pulls, ONE_SIGMA_PERCENT, axis=1)

    def _near(self, wavelength_um: Floats, values: Floats, most: int) -> Floats:
        """The values of the `most` blanks about each wavelength, shape (M, up to most)."""
        count = min(most, values.size)
        if count < MIN_BLANKS:
            return np.full((wavelength_um.size, 1), np.nan)
        first = np.searchsorted(self.center_um, wavelength_um) - count // 2
        first = np.clip(first, 0, values.size - count)
        return values[first[:, np.newaxis] + np.arange(count)]


def integrate_lines(
    spectrum: Spectrum, windows: LineWindows, free: Bools, blanks: Blanks
) -> list[RawFlux]:
    """Integrate the spectrum over every window, above a continuum through `free` samples."""
    integrals, short = _integrate(spectrum, windows, free)
    empirical = blanks.error_near(windows.center_um)
    empirical = np.where(np.isfinite(empirical), empirical, integrals.error_scatter)
    touched = spectrum.length_um(spectrum.good, windows.low_um, windows.high_um) > 0
    columns = np.array([integrals.flux, integrals.error_propagated, empirical, integrals.continuum])
    columns[:, ~_measurable(spectrum, windows)] = np.nan
    return [
        RawFlux(flux, propagated, scatter, continuum, edge)
        for flux, propagated, scatter, continuum, edge in zip(
            *columns.tolist(), (short & touched).tolist(), strict=True
        )
    ]


def line_windows(spectrum: Spectrum, lines: Sequence[Line]) -> LineWindows:
    """Windows of the lines, divided between neighbours.

    Two lines that are both common, or both rare, share the gap between them equally; a rare
    line gets what the window of a common one leaves.
    """
    center = np.array([line.wavelength_um for line in lines], dtype=np.float64)
    common = np.array([line.common for line in lines], dtype=bool)
    half = WINDOW_FWHM * spectrum.line_fwhm_at(center)
    low, high = center - half, center + half

    mine, other = np.s_[:, np.newaxis], np.s_[np.newaxis, :]
    middle = (center[mine] + center[other]) / 2
    equal = common[mine] == common[other]
    yields = ~common[mine] & common[other]
    above = np.where(equal, middle, np.where(yields, low[other], np.inf))
    below = np.where(equal, middle, np.where(yields, high[other], -np.inf))
    upper = np.where(center[other] > center[mine], above, np.inf).min(axis=1, initial=np.inf)
    lower = np.where(center[other] < center[mine], below, -np.inf).max(axis=1, initial=-np.inf)
    return LineWindows(
        center_um=center,
        low_um=np.maximum(low, lower),
        high_um=np.minimum(high, upper),
        narrowed=((upper < high) | (lower > low)) & spectrum.covers(center),
    )


def line_ranges(
    lines: Sequence[Line], resolving_power: ArrayLike | None
) -> tuple[tuple[float, float], ...]:
    """Rest-frame ranges in micron that the lines reach, for those who must look past them.

    `resolving_power` is that at each line, as far as the instrument is known.
    """
    center = np.array([line.wavelength_um for line in lines], dtype=np.float64)
    instrument_um = 0.0 if resolving_power is None else center / np.asarray(resolving_power)
    reach = REACH_FWHM * np.hypot(instrument_um, center * INTRINSIC_FWHM_KM_S / LIGHT_KM_S)
    return tuple(zip((center - reach).tolist(), (center + reach).tolist(), strict=True))


def free_samples(spectrum: Spectrum, lines: Sequence[Line]) -> Bools:
    """Good samples out of the reach of every line, shape (L,)."""
    center = np.array([line.wavelength_um for line in lines], dtype=np.float64)
    reach = REACH_FWHM * spectrum.line_fwhm_at(center)
    first = np.searchsorted(spectrum.wavelength_um, center - reach)
    last = np.searchsorted(spectrum.wavelength_um, center + reach)
    free = spectrum.good.copy()
    for start, stop in zip(first, last, strict=True):
        free[start:stop] = False
    return free


def integrate_blanks(spectrum: Spectrum, free: Bools) -> Blanks:
    """Integrate windows that hold nothing but `free` samples, overlapping by half."""
    half = WINDOW_FWHM * spectrum.line_fwhm_um
    steps = np.cumsum(np.diff(spectrum.edges_um) / half)
    center = np.interp(np.arange(1.0, steps[-1]), steps, spectrum.wavelength_um)
    half = np.interp(center, spectrum.wavelength_um, half)
    low, high = center - half, center + half
    empty = spectrum.length_um(free, low, high) > 0.999 * (high - low)
    windows = LineWindows(center[empty], low[empty], high[empty], np.zeros(empty.sum(), bool))
    integrals, _ = _integrate(spectrum, windows, free)
    valid = np.isfinite(integrals.flux) & (integrals.error_scatter > 0)
    return Blanks(
        center_um=windows.center_um[valid],
        flux=integrals.flux[valid],
        error_scatter=integrals.error_scatter[valid],
    )


def _measurable(spectrum: Spectrum, windows: LineWindows) -> Bools:
    """Windows of which enough was observed and enough is left by the neighbours."""
    center, low, high = windows.center_um, windows.low_um, windows.high_um
    smaller_half = np.minimum(high - center, center - low)
    left = smaller_half >= MIN_HALF_WINDOW_FWHM * spectrum.line_fwhm_at(center)
    covered = spectrum.length_um(spectrum.good, low, high)
    return left & (covered >= (1 - MAX_MISSING) * (high - low))


def _integrate(spectrum: Spectrum, windows: LineWindows, free: Bools) -> tuple[Integrals, Bools]:
    """All windows at once, each with the samples about it as one row."""
    wavelength, edges = spectrum.wavelength_um, spectrum.edges_um
    center = windows.center_um[:, np.newaxis]
    fwhm = spectrum.line_fwhm_at(windows.center_um)
    step = np.interp(windows.center_um, wavelength, np.diff(edges))
    reach = int(np.ceil(np.max(FARTHEST_SIDE_FWHM * fwhm / step, initial=1.0)))
    index = np.searchsorted(wavelength, center) + np.arange(-reach, reach + 1)
    inside = (index >= 0) & (index < wavelength.size)
    index = np.clip(index, 0, wavelength.size - 1)

    x = wavelength[index]
    distance = np.abs(x - center) / fwhm[:, np.newaxis]
    usable = inside & free[index] & (distance > REACH_FWHM) & (distance < FARTHEST_SIDE_FWHM)
    wanted = np.maximum(np.ceil(SIDE_FWHM * fwhm / step), FEWEST_WANTED)
    sides, edge, lost = _nearest_on_both_sides(usable, x > center, wanted)
    overlap = np.minimum(edges[index + 1], windows.high_um[:, np.newaxis]) - np.maximum(
        edges[index], windows.low_um[:, np.newaxis]
    )
    weights = np.where(inside, np.maximum(overlap, 0.0), 0.0)
    sides &= ~lost[:, np.newaxis]
    integrals = integrate_above_continuum(
        x, spectrum.flux[index], spectrum.error[index], weights, sides
    )
    return integrals, edge


def _nearest_on_both_sides(usable: Bools, red: Bools, wanted: Floats) -> tuple[Bools, Bools, Bools]:
    """The `wanted` usable samples nearest on each side; rows that lack some; that lack most."""
    blue_side, red_side = usable & ~red, usable & red
    blue_rank = np.cumsum(blue_side[:, ::-1], axis=1)[:, ::-1]
    red_rank = np.cumsum(red_side, axis=1)
    limit = wanted[:, np.newaxis]
    sides = (blue_side & (blue_rank <= limit)) | (red_side & (red_rank <= limit))
    fewest = np.minimum(blue_side.sum(axis=1), red_side.sum(axis=1))
    return sides, fewest < wanted, fewest < MIN_SIDE_FRACTION * wanted
