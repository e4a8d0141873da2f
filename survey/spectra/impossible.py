"""Single voxels that no source can make: hot, saturated, or holding a number that means "no data".

A source is spread by the PSF over neighbouring spaxels, and a line by the resolution of the
spectrograph over neighbouring planes. A voxel far from the continuum of its own spectrum is
therefore impossible if neither its neighbours in the spectrum nor its neighbours on the sky have
their part of it. Both parts count, as a product: an unresolved line of a source that the spaxels
undersample has little of one but not of both, and stays.

One impossible voxel decides a partition, since distances are sums of squares. Groups of hot voxels
are not looked for here, except numbers so large that they cannot be fluxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from survey.spectra.blocks import Rows
from survey.spectra.constants import MEDIAN_ABS_PER_SIGMA
from survey.spectra.mask import fill_gaps
from survey.spectra.medians import masked_median
from survey.spectra.noise import LAG, SIGMA_PER_CLIPPED_MAD, high_pass, local_noise

MIN_EXCESS_SIGMA = 20.0
"""Voxels nearer to the continuum than this are left alone; in noise of one sample, of the whole
spectrum or around the voxel, whichever is larger."""

MAX_SUPPORT = 0.02
"""Product of the parts of the excess in the spectrum and on the sky below which it is impossible.

A Gaussian PSF and a Gaussian line, each as wide (FWHM) as one spaxel and one plane, have 0.03.
Those of MRS have more than 1.
"""

LARGEST_SIGNAL = 1e8
"""A voxel this many times above the median of its spectrum is no flux, whatever is beside it."""

_SPECTRAL_FLOOR, _SKY_FLOOR = 0.05, 0.1
"""A part is counted as this at least, so that noise in it decides nothing."""

_UNKNOWN_PART = 0.25
"""What is taken for a part that cannot be seen because all neighbours are missing."""

_NEAREST = 3
"""Planes within which a good neighbour in the spectrum is looked for."""

_REACH = 10
"""Planes to either side from which the continuum and the scatter at a voxel are taken."""

_MIN_CONTINUUM = 4
_NOISE_SAMPLES = 64
_MAX_SNR = 1e4
"""No spectrum is better than this: what is within its inverse of the continuum is left alone."""

_CANDIDATE_SHARE = 0.6
"""Part of `MIN_EXCESS_SIGMA` in second differences from which a voxel is looked at closely."""

_CROWDED = 0.02
"""Share of the samples of a spectrum that stand out from which its noise is looked at locally."""


@dataclass(frozen=True)
class SpaxelGrid:
    """Where the rows of a table lie on the image, for looking up neighbours.

    Parameters
    ----------
    y, x : (N,) arrays of int
        In the order of the image (row after row), neighbours are near in the table, and little is
        read for them.
    """

    y: NDArray[np.integer]
    x: NDArray[np.integer]

    @cached_property
    def width(self) -> int:
        """Width of the image, and so the most rows between neighbours in the order of the image."""
        return int(self.x.max(initial=0)) + 2  # no neighbour across the edge of the image

    @cached_property
    def _place(self) -> NDArray[np.int64]:
        return self.y.astype(np.int64) * self.width + self.x

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        return np.argsort(self._place, kind="stable")

    @cached_property
    def _ordered(self) -> NDArray[np.int64]:
        return self._place[self._order]

    def sides(self, rows: NDArray[np.integer]) -> NDArray[np.intp]:
        """(m, 4) rows of the spaxels that share a side with each of `rows`, -1 for none."""
        beside = self._place[rows][:, None] + np.array([-self.width, -1, 1, self.width])
        found = np.searchsorted(self._ordered, beside).clip(max=len(self._order) - 1)
        return np.where(self._ordered[found] == beside, self._order[found], -1)


@dataclass(frozen=True)
class Neighbours:
    """The table that some rows belong to, from which the spaxels beside them are read.

    Parameters
    ----------
    grid : SpaxelGrid
        Places of all its rows.
    flux, bad : (N, L) tables
        The table.
    first_row : int
        Place in the table of the first row that has been read already.
    read_flux, read_bad : (n, L) arrays
        Rows that have been read already. Others are read only if they are needed.
    """

    grid: SpaxelGrid
    flux: Rows
    bad: Rows
    first_row: int
    read_flux: NDArray[np.floating]
    read_bad: NDArray[np.bool_]

    def rows(self, wanted: NDArray[np.intp]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """Flux and mask (m, L) of increasing row numbers."""
        flux = np.empty((len(wanted), self.flux.shape[1]), self.flux.dtype)
        bad = np.ones(flux.shape, dtype=bool)
        end = self.first_row + len(self.read_flux)
        start, stop = max(self.first_row - self.grid.width, 0), end + self.grid.width
        here = (wanted >= self.first_row) & (wanted < end)
        before = (wanted >= start) & (wanted < self.first_row)
        after = (wanted >= end) & (wanted < stop)
        local = wanted[here] - self.first_row
        flux[here], bad[here] = self.read_flux[local], self.read_bad[local]
        if before.any():
            local = wanted[before] - start
            flux[before], bad[before] = (table[local] for table in self._before)
        if after.any():
            local = wanted[after] - end
            flux[after], bad[after] = (table[local] for table in self._after)
        for row in np.flatnonzero(~(here | before | after)):  # of a table in no order
            alone = slice(int(wanted[row]), int(wanted[row]) + 1)
            flux[row], bad[row] = self.flux[alone][0], self.bad[alone][0]
        bad |= ~np.isfinite(flux)
        bad |= _too_large(flux, bad, *level_and_noise(flux, bad))
        return flux, bad

    @cached_property
    def _before(self) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """A row of the image before those that have been read."""
        rows = slice(max(self.first_row - self.grid.width, 0), self.first_row)
        return self.flux[rows], self.bad[rows]

    @cached_property
    def _after(self) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """A row of the image after those that have been read."""
        end = self.first_row + len(self.read_flux)
        rows = slice(end, min(end + self.grid.width, self.flux.shape[0]))
        return self.flux[rows], self.bad[rows]


def impossible_voxels(
    flux: NDArray[np.floating],
    bad: NDArray[np.bool_],
    rows: slice,
    neighbours: Neighbours | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and planes of the impossible voxels among some rows of a table.

    Parameters
    ----------
    flux : (n, L) array of float
        Some rows of a table of spectra.
    bad : (n, L) array of bool
        Samples that do not count.
    rows : slice
        Which rows of the table they are.
    neighbours : Neighbours, optional
        Without it only numbers too large to be fluxes are impossible: a spectrum alone cannot tell.

    Returns
    -------
    rows, planes : (m,) arrays of int
        Rows are counted among those given.
    """
    bad = bad | ~np.isfinite(flux)
    level, noise = level_and_noise(flux, bad)
    impossible = _too_large(flux, bad, level, noise)
    suspects = _Suspects.find(flux, bad | impossible, noise)
    on_sky = np.ones(len(suspects.rows))
    if neighbours is not None and len(suspects.rows):
        sides = neighbours.grid.sides(rows.start + suspects.rows)
        on_sky = _part_on_sky(suspects, sides, neighbours)
    product = suspects.in_spectrum.clip(min=_SPECTRAL_FLOOR) * on_sky.clip(min=_SKY_FLOOR)
    alone = product < MAX_SUPPORT
    impossible[suspects.rows[alone], suspects.planes[alone]] = True
    return _where(impossible)


def _too_large(
    flux: NDArray[np.floating],
    bad: NDArray[np.bool_],
    level: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> NDArray[np.bool_]:
    limit = (LARGEST_SIGNAL * np.maximum(level, noise))[:, None]
    with np.errstate(invalid="ignore"):
        return ~bad & (np.abs(flux) > limit)


def level_and_noise(
    flux: NDArray[np.floating], bad: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) median absolute flux, and noise of one sample, from some samples of every row."""
    step = max(1, flux.shape[1] // _NOISE_SAMPLES)
    some = slice(LAG, flux.shape[1] - LAG, step)
    level = masked_median(np.abs(flux[:, some]), ~bad[:, some])
    with np.errstate(over="ignore", invalid="ignore"):
        before, after = flux[:, : -2 * LAG : step], flux[:, 2 * LAG :: step]
        difference = np.abs(flux[:, some] - 0.5 * (before + after))
    unusable = bad[:, some] | bad[:, : -2 * LAG : step] | bad[:, 2 * LAG :: step]
    spread = masked_median(difference, ~unusable & np.isfinite(difference))
    noise = SIGMA_PER_CLIPPED_MAD * np.sqrt(1 / 1.5) * spread
    return level, np.maximum(noise, level / _MAX_SNR)


@dataclass(frozen=True)
class _Suspects:
    """Voxels far from the continuum without their part in the spectrum.

    Rows and planes; planes of the good neighbours before and after (-1 for none); the part of the
    excess in these two; and the height above their mean.
    """

    rows: NDArray[np.intp]
    planes: NDArray[np.intp]
    before: NDArray[np.intp]
    after: NDArray[np.intp]
    in_spectrum: NDArray[np.float64]
    height: NDArray[np.float64]

    @classmethod
    def find(
        cls, flux: NDArray[np.floating], bad: NDArray[np.bool_], noise: NDArray[np.float64]
    ) -> _Suspects:
        rows, planes = _candidates(flux, bad, noise)
        size = flux.shape[1]
        offsets = np.arange(-_REACH, _REACH + 1)
        around = planes[:, None] + offsets
        inside = (around >= 0) & (around < size)
        around = around.clip(0, size - 1)
        good = inside & ~bad[rows[:, None], around]
        values = flux[rows[:, None], around].astype(np.float64)

        far = good & (np.abs(offsets) > 1)
        continuum = masked_median(values, far)
        excess = values[:, _REACH] - continuum
        before, has_before = _nearest(good, -1)
        after, has_after = _nearest(good, 1)
        index = np.arange(len(rows))
        one, other = values[index, before], values[index, after]
        count = has_before.astype(int) + has_after
        beside = (np.where(has_before, one, 0.0) + np.where(has_after, other, 0.0)) / np.where(
            count, count, 1
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.where(count > 0, 2 * (beside - continuum) / excess, _UNKNOWN_PART)
        scatter = masked_median(np.abs(values - continuum[:, None]), far) / MEDIAN_ABS_PER_SIGMA
        suspect = (
            (np.abs(excess) > MIN_EXCESS_SIGMA * np.maximum(noise[rows], scatter))
            & (far.sum(axis=1) >= _MIN_CONTINUUM)
            & (part * _SKY_FLOOR < MAX_SUPPORT)
        )
        return cls(
            rows=rows[suspect],
            planes=planes[suspect],
            before=np.where(has_before, planes + before - _REACH, -1)[suspect],
            after=np.where(has_after, planes + after - _REACH, -1)[suspect],
            in_spectrum=part[suspect],
            height=(values[:, _REACH] - np.where(count > 0, beside, continuum))[suspect],
        )


def _candidates(
    flux: NDArray[np.floating], bad: NDArray[np.bool_], noise: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Good samples that stand out in second differences, at the ends in first ones."""
    bridged = flux
    if bad.any():
        bridged = flux.copy()
        fill_gaps(bridged, bad, np.arange(flux.shape[1], dtype=np.float64))
    limit = _CANDIDATE_SHARE * MIN_EXCESS_SIGMA * noise
    stands_out = np.zeros(flux.shape, dtype=bool)
    with np.errstate(invalid="ignore", over="ignore"):
        limit = limit.astype(flux.dtype)[:, None]
        height = np.abs(high_pass(bridged))
        np.greater(height, limit, out=stands_out[:, LAG:-LAG])
        crowded = np.flatnonzero(stands_out.sum(axis=1) > _CROWDED * flux.shape[1])
        if len(crowded):
            # Spectra with a stretch of much more noise, as the red end of MRS channel 4.
            local = _CANDIDATE_SHARE * MIN_EXCESS_SIGMA * local_noise(bridged[crowded])
            stands_out[crowded, LAG:-LAG] &= height[crowded] > local[:, LAG:-LAG]
        first, last = bridged[:, : 2 * LAG], bridged[:, -2 * LAG :]
        stands_out[:, :LAG] = np.abs(first[:, :LAG] - first[:, LAG:]) > limit
        stands_out[:, -LAG:] = np.abs(last[:, LAG:] - last[:, :LAG]) > limit
    stands_out &= ~bad
    return _where(stands_out)


def _where(chosen: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    # Several times faster than `numpy.nonzero` of two dimensions where little is chosen.
    rows, planes = np.divmod(np.flatnonzero(chosen), chosen.shape[1])
    return rows, planes


def _nearest(good: NDArray[np.bool_], step: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Column of the nearest good sample on one side of the middle one, and if there is one."""
    columns = _REACH + step * np.arange(1, _NEAREST + 1)
    near = good[:, columns]
    return columns[near.argmax(axis=1)], np.asarray(near.any(axis=1))


def _part_on_sky(
    suspects: _Suspects, sides: NDArray[np.intp], neighbours: Neighbours
) -> NDArray[np.float64]:
    """(m,) sum of the heights in the four spaxels beside, in units of that of the voxel.

    The largest is left out where three or more are known: it may be impossible itself.
    """
    needed = np.unique(sides[sides >= 0])
    if not len(needed):
        return np.full(len(suspects.rows), _UNKNOWN_PART)
    flux, bad = neighbours.rows(needed)
    place = np.searchsorted(needed, sides).clip(max=len(needed) - 1)
    own = suspects.planes[:, None]
    known = (sides >= 0) & ~bad[place, own]
    total, count = np.zeros(sides.shape), np.zeros(sides.shape)
    for planes in (suspects.before[:, None], suspects.after[:, None]):
        used = planes >= 0
        known &= ~used | ~bad[place, planes]
        total += np.where(used, flux[place, planes].astype(np.float64), 0.0)
        count += used
    known &= count > 0
    with np.errstate(invalid="ignore", over="ignore"):
        above = flux[place, own] - total / np.where(count, count, 1)
        heights = np.where(known, above / suspects.height[:, None], 0.0)
    n_known = known.sum(axis=1)
    left_out = np.where(known, heights, -np.inf).max(axis=1, initial=-np.inf)
    enough = n_known >= 3
    summed = heights.sum(axis=1) - np.where(enough, left_out, 0.0)
    n_summed = n_known - enough
    return np.where(n_known > 0, 4.0 * summed / np.where(n_summed, n_summed, 1), _UNKNOWN_PART)
