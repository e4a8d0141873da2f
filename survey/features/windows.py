"""The windows in which lines are integrated, and the samples beside them for the continuum.

Lengths are in units of the FWHM expected of a line (instrument and galaxy in quadrature):

    |------ side ------|  |=== window ===|  |------ side ------|
   -5.5              -1.5 -1.25   0   1.25 1.5               5.5

A Gaussian line of that width has 99.7% of its flux in the window, one half as wide again
95%. Side samples inside the reach of another catalogued line are left out, and the side
extends outwards instead. The continuum is a parabola: lines often stand on a PAH band, of which a
straight line takes the curvature for flux. Where the spectrum ends too soon on one side, it is
straight, through the nearest 2.5 widths on both.

`BRIGHT` lines are measured once more, in windows of 1.75 and over a parabola through the nearest 2
widths beyond them. They are sums of lines of several widths, whose wings exceed the noise, and the
noise of a continuum from fewer samples does not matter for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalogs.reference import Line
from survey.features.continuum import Integrals, integrate_above_continuum
from survey.features.spectrum import Bools, Floats, Ints, Spectrum, wavelengths_of

WINDOW_FWHM = 1.25
REACH_FWHM = 1.5
BEYOND_WINDOW_FWHM = REACH_FWHM - WINDOW_FWHM
STRAIGHT_SIDE_FWHM = 2.5
FARTHEST_SIDE_FWHM = 12.0
"""Samples further out are not used for the continuum under the line."""

MIN_HALF_WINDOW_FWHM = 0.5
"""A window cut closer than this holds too little of its line to be a measurement."""

FEWEST_WANTED = 4
"""Samples of a side where the spectrum is coarse."""

MIN_SIDE_FRACTION = 1 / 3
"""Of the samples wanted on a side; with fewer there is no continuum."""

MAX_MISSING = 0.2
"""Fraction of a window that may be interpolated."""


@dataclass(frozen=True)
class Extent:
    """How far a line is integrated, and how much of the spectrum beside it makes its continuum.

    Half a window and one side, in units of the width expected of a line.
    """

    window_fwhm: float
    side_fwhm: float

    @property
    def reach_fwhm(self) -> float:
        """How far from a line samples are not used for any continuum."""
        return self.window_fwhm + BEYOND_WINDOW_FWHM


USUAL = Extent(WINDOW_FWHM, 4.0)
BRIGHT = Extent(1.75, 2.0)
BRIGHT_SNR = 30.0
"""From this S/N on a line is measured in the extent `BRIGHT`."""


@dataclass(frozen=True)
class LineWindows:
    """Integration windows; arrays of shape (M,).

    `narrowed` where a neighbour takes part of the window.
    """

    centre_um: Floats
    low_um: Floats
    high_um: Floats
    narrowed: Bools

    def __getitem__(self, rows: Sequence[int] | Bools | Ints) -> LineWindows:
        return LineWindows(
            self.centre_um[rows], self.low_um[rows], self.high_um[rows], self.narrowed[rows]
        )

    def replaced(self, row: int, other: LineWindows) -> LineWindows:
        """The same windows, but one from other windows of the same lines."""
        arrays = (self.low_um.copy(), self.high_um.copy(), self.narrowed.copy())
        for ours, theirs in zip(arrays, (other.low_um, other.high_um, other.narrowed), strict=True):
            ours[row] = theirs[row]
        return LineWindows(self.centre_um, *arrays)

    def scaled(self, factor: float) -> LineWindows:
        """The same windows, wider by a factor on both sides."""
        centre = self.centre_um
        low = centre - factor * (centre - self.low_um)
        high = centre + factor * (self.high_um - centre)
        return LineWindows(centre, low, high, self.narrowed)


@dataclass(frozen=True)
class WindowIntegrals:
    """Integrals over M windows, the samples they were made from, and where a side is short.

    `straight` where the sides were too short for a curved continuum.

    `index` (M, K) are positions in the spectrum of the columns of `integrals.kernel`.
    """

    integrals: Integrals
    index: Ints
    short: Bools
    straight: Bools


def full_windows(
    spectrum: Spectrum, lines: Sequence[Line], half_fwhm: Floats | float = WINDOW_FWHM
) -> LineWindows:
    """Windows of the lines as if each were alone, so wide to either side."""
    centre = wavelengths_of(lines)
    half = half_fwhm * spectrum.line_fwhm_at(centre)
    return LineWindows(centre, centre - half, centre + half, np.zeros(centre.shape, bool))


def line_windows(
    spectrum: Spectrum, lines: Sequence[Line], half_fwhm: Floats | float = WINDOW_FWHM
) -> LineWindows:
    """Windows of the lines, divided between neighbours.

    Two lines that are both common, or both rare, share the gap between them equally; a rare
    line gets what the window of a common one leaves.
    """
    full = full_windows(spectrum, lines, half_fwhm)
    centre, low, high = full.centre_um, full.low_um, full.high_um
    common = np.array([line.common for line in lines], dtype=bool)

    mine, other = np.s_[:, np.newaxis], np.s_[np.newaxis, :]
    middle = (centre[mine] + centre[other]) / 2
    equal = common[mine] == common[other]
    yields = ~common[mine] & common[other]
    above = np.where(equal, middle, np.where(yields, low[other], np.inf))
    below = np.where(equal, middle, np.where(yields, high[other], -np.inf))
    upper = np.where(centre[other] > centre[mine], above, np.inf).min(axis=1, initial=np.inf)
    lower = np.where(centre[other] < centre[mine], below, -np.inf).max(axis=1, initial=-np.inf)
    return LineWindows(
        centre_um=centre,
        low_um=np.maximum(low, lower),
        high_um=np.minimum(high, upper),
        narrowed=((upper < high) | (lower > low)) & spectrum.covers(centre),
    )


def free_samples(
    spectrum: Spectrum, lines: Sequence[Line], reach_fwhm: Floats | float = REACH_FWHM
) -> Bools:
    """Good samples out of the reach of every line, shape (L,)."""
    centre = wavelengths_of(lines)
    reach = reach_fwhm * spectrum.line_fwhm_at(centre)
    first = np.searchsorted(spectrum.wavelength_um, centre - reach)
    last = np.searchsorted(spectrum.wavelength_um, centre + reach)
    free = spectrum.good.copy()
    for start, stop in zip(first, last, strict=True):
        free[start:stop] = False
    return free


def measurable(spectrum: Spectrum, windows: LineWindows) -> Bools:
    """Windows of which enough was observed and enough is left by the neighbours."""
    centre, low, high = windows.centre_um, windows.low_um, windows.high_um
    smaller_half = np.minimum(high - centre, centre - low)
    left = smaller_half >= MIN_HALF_WINDOW_FWHM * spectrum.line_fwhm_at(centre)
    covered = spectrum.length_um(spectrum.good, low, high)
    return left & (covered >= (1 - MAX_MISSING) * (high - low))


def integrate_windows(
    spectrum: Spectrum,
    windows: LineWindows,
    free: Bools,
    shares: Floats | None = None,
    extent: Extent = USUAL,
) -> WindowIntegrals:
    """Integrate over all windows at once, each above a continuum through `free` samples.

    Parameters
    ----------
    shares : array (M, L), optional
        What part of every sample belongs to each line; all of it if not given.
    """
    wavelength, edges = spectrum.wavelength_um, spectrum.edges_um
    centre = windows.centre_um[:, np.newaxis]
    fwhm = spectrum.line_fwhm_at(windows.centre_um)
    step = np.interp(windows.centre_um, wavelength, np.diff(edges))
    reach = np.ceil(np.max(FARTHEST_SIDE_FWHM * fwhm / step, initial=1.0))
    reach = int(min(reach, wavelength.size))  # of an uneven grid, steps may be as small as can be
    index = np.searchsorted(wavelength, centre) + np.arange(-reach, reach + 1)
    inside = (index >= 0) & (index < wavelength.size)
    index = np.clip(index, 0, wavelength.size - 1)

    x = wavelength[index]
    distance = np.abs(x - centre) / fwhm[:, np.newaxis]
    usable = inside & free[index] & (distance < FARTHEST_SIDE_FWHM)
    usable &= distance > extent.reach_fwhm
    wanted = np.maximum(np.ceil(STRAIGHT_SIDE_FWHM * fwhm / step), FEWEST_WANTED)
    sides, short, lost = _nearest_on_both_sides(usable, x > centre, wanted)
    wanted = np.maximum(np.ceil(extent.side_fwhm * fwhm / step), FEWEST_WANTED)
    long_sides, too_short, _ = _nearest_on_both_sides(usable, x > centre, wanted)
    curved = ~too_short
    sides[curved] = long_sides[curved]
    overlap = np.minimum(edges[index + 1], windows.high_um[:, np.newaxis]) - np.maximum(
        edges[index], windows.low_um[:, np.newaxis]
    )
    weights = np.where(inside, np.maximum(overlap, 0.0), 0.0)
    if shares is not None:
        weights *= np.take_along_axis(shares, index, axis=1)
    sides &= ~lost[:, np.newaxis]
    integrals = integrate_above_continuum(
        x, spectrum.flux[index], spectrum.error[index], weights, sides, curved
    )
    return WindowIntegrals(integrals, index, short, too_short)


def _nearest_on_both_sides(usable: Bools, red: Bools, wanted: Floats) -> tuple[Bools, Bools, Bools]:
    """The `wanted` usable samples nearest on each side; rows that lack some; that lack most."""
    blue_side, red_side = usable & ~red, usable & red
    blue_rank = np.cumsum(blue_side[:, ::-1], axis=1)[:, ::-1]
    red_rank = np.cumsum(red_side, axis=1)
    limit = wanted[:, np.newaxis]
    sides = (blue_side & (blue_rank <= limit)) | (red_side & (red_rank <= limit))
    fewest = np.minimum(blue_side.sum(axis=1), red_side.sum(axis=1))
    return sides, fewest < wanted, fewest < MIN_SIDE_FRACTION * wanted
