"""Which planes and spaxels can be used, and how short gaps are filled.

Bad planes are dropped first: at the seams of sub-bands whole planes are bad, and without this no
spaxel would be good everywhere. Then spaxels are checked on the remaining planes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.spectra.blocks import Rows, blocks_of

USEFUL_SPAXEL_FRACTION = 0.5
"""Planes are judged by spaxels in which this fraction of the planes with any data is good."""


def bad_planes(bad: Rows, max_bad_spaxel_fraction: float) -> NDArray[np.bool_]:
    """Planes bad in more than a fraction of the useful spaxels.

    Only spaxels that are good in at least half of the planes are counted, so that blank corners and
    the border of the field do not count against a plane.

    Parameters
    ----------
    bad : (n, L) table of bool
        Read twice, block by block.
    max_bad_spaxel_fraction : float
        Between 0 and 1.

    Returns
    -------
    (L,) array of bool
        All True when no spaxel is useful.
    """
    has_data = np.zeros(bad.shape[1], dtype=bool)
    for block in blocks_of(bad):
        has_data |= ~block.all(axis=0)
    allowed = (1.0 - USEFUL_SPAXEL_FRACTION) * has_data.sum()
    n_bad, n_useful = np.zeros(bad.shape[1], dtype=np.int64), 0
    for block in blocks_of(bad):
        # A plane without data is bad in every spaxel: subtract it instead of copying the rest.
        useful = block.sum(axis=1) - (~has_data).sum() <= allowed
        n_bad += block.sum(axis=0, where=useful[:, None])
        n_useful += int(useful.sum())
    if not has_data.any() or not n_useful:
        return np.ones(bad.shape[1], dtype=bool)
    return n_bad / n_useful > max_bad_spaxel_fraction


def longest_gaps(bad: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Length in samples of the longest run of bad samples in every row of (n, L)."""
    index = np.arange(bad.shape[1], dtype=np.int32)
    last_good = np.maximum.accumulate(np.where(bad, -1, index), axis=1)
    return (index - last_good).max(axis=1)


def fill_gaps(
    flux: NDArray[np.floating], bad: NDArray[np.bool_], wavelength_um: NDArray[np.float64]
) -> None:
    """Replace bad samples in place by linear interpolation along the spectral axis.

    At either end of a spectrum there is nothing to interpolate to: the nearest good sample is
    repeated. A row without a good sample is left as it is.

    Parameters
    ----------
    flux : (n, L) array of float
        Changed in place.
    bad : (n, L) array of bool
    wavelength_um : (L,) array of float
    """
    rows = np.flatnonzero(bad.any(axis=1) & ~bad.all(axis=1))
    if not len(rows):
        return
    holes = bad[rows]
    size = holes.shape[1]
    index = np.arange(size, dtype=np.int32)
    before = np.maximum.accumulate(np.where(holes, -1, index), axis=1)
    after = np.minimum.accumulate(np.where(holes, size, index)[:, ::-1], axis=1)[:, ::-1]

    row, column = np.nonzero(holes)
    left, right = before[row, column], after[row, column]
    left, right = np.where(left < 0, right, left), np.where(right == size, left, right)
    span = wavelength_um[right] - wavelength_um[left]
    weight = (wavelength_um[column] - wavelength_um[left]) / np.where(span > 0, span, 1.0)
    row = rows[row]
    flux[row, column] = (1.0 - weight) * flux[row, left] + weight * flux[row, right]
