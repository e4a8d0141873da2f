"""What is missing in a hole that lies on a line, taken from the spaxels beside it.

A straight bridge over a hole at the peak of a line takes the peak away, and the spectrum would then
differ in shape from all its neighbours. These have measured the peak. What they have above their
own bridge over the same planes, in units of the bridge, is what the hole lacks. Where that is
within the noise the straight bridge is as good, and is kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.spectra.impossible import Neighbours, level_and_noise

MIN_HEIGHT_SIGMA = 3.0
"""Heights above the bridge that are below this, in noise of one sample, are not added."""

_LARGEST_FACTOR = 4.0
"""A spaxel beside it that is this many times fainter says nothing of a spaxel."""


def heights_of_lines(
    flux: NDArray[np.floating],
    bad: NDArray[np.bool_],
    rows: slice,
    holes: NDArray[np.bool_],
    neighbours: Neighbours,
) -> NDArray[np.floating] | None:
    """What to add to the straight bridges over the holes of some spectra.

    Parameters
    ----------
    flux, bad : (n, L) arrays
        Some rows of a table of spectra.
    rows : slice
        Which rows of the table they are.
    holes : (n, L) array of bool
        Those bad samples that are bridged.
    neighbours : Neighbours
        The table.

    Returns
    -------
    (n, L) array, or None
        Zero but in holes on lines; None if there are none.
    """
    row, plane = np.nonzero(holes)
    before, after = _ends(bad, row, plane)
    inside = (before >= 0) & (after < flux.shape[1])
    row, plane, before, after = (index[inside] for index in (row, plane, before, after))
    if not len(row):
        return None
    weight = (plane - before) / (after - before)
    own = _bridge(flux, row, before, after, weight)

    sides = neighbours.grid.sides(rows.start + row)
    needed = np.unique(sides[sides >= 0])
    if not len(needed):
        return None
    beside, beside_bad = neighbours.rows(needed)
    place = np.searchsorted(needed, sides).clip(max=len(needed) - 1)
    planes, before, after = plane[:, None], before[:, None], after[:, None]
    known = sides >= 0
    for index in (planes, before, after):
        known &= ~beside_bad[place, index]
    with np.errstate(divide="ignore", invalid="ignore"):
        bridge = _bridge(beside, place, before, after, weight[:, None])
        factor = own[:, None] / bridge
        known &= (bridge > 0) & (factor > 0) & (factor < _LARGEST_FACTOR)
        height = np.where(known, (beside[place, planes] - bridge) * factor, np.nan)
    found = _middle(height)
    _, noise = level_and_noise(flux, bad)
    with np.errstate(invalid="ignore"):
        high = np.abs(found) > MIN_HEIGHT_SIGMA * noise[row]
    if not high.any():
        return None
    added = np.zeros_like(flux)
    added[row[high], plane[high]] = found[high]
    return added


def _ends(
    bad: NDArray[np.bool_], row: NDArray[np.intp], plane: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Nearest good planes before and after each hole; -1 and L where there are none."""
    size = bad.shape[1]
    index = np.arange(size)
    touched, local = np.unique(row, return_inverse=True)
    holes = bad[touched]
    before = np.maximum.accumulate(np.where(holes, -1, index), axis=1)
    after = np.minimum.accumulate(np.where(holes, size, index)[:, ::-1], axis=1)[:, ::-1]
    return before[local, plane], after[local, plane]


def _bridge(
    flux: NDArray[np.floating],
    row: NDArray[np.intp],
    before: NDArray[np.intp],
    after: NDArray[np.intp],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    return np.asarray((1.0 - weight) * flux[row, before] + weight * flux[row, after])


def _middle(height: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m,) median of three or four numbers, the smaller of two, NaN of fewer.

    One of them may be impossible itself.
    """
    ordered = np.sort(height, axis=1)
    count = np.isfinite(height).sum(axis=1)
    index = np.arange(len(height))
    low = ordered[index, np.maximum(count - 1, 0) // 2]
    high = ordered[index, np.minimum(count // 2, height.shape[1] - 1)]
    smaller = np.where(np.abs(low) < np.abs(high), low, high)
    middle = np.where(count > 2, 0.5 * (low + high), smaller)
    return np.where(count > 1, middle, np.nan)
