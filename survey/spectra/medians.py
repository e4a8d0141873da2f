"""Medians of many spectra at once, where some samples do not count.

`numpy.nanmedian` visits long rows one by one in Python; sorting a whole block does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def masked_median(values: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Median of every row of `values` over the samples that are `valid`.

    Parameters
    ----------
    values : (..., L) array of float
        Samples along the last axis, at least one.
    valid : bool array that broadcasts to the shape of `values`
        True where a sample counts. Samples that do not count may be NaN.

    Returns
    -------
    (...,) array of float64
        NaN for a row without a valid sample.
    """
    return leading_median(*sort_valid(values, valid))


def sort_valid(
    values: NDArray[np.floating], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
    """Rows sorted with the valid samples first, and how many there are."""
    ordered = np.where(valid, values, np.inf)
    ordered.sort(axis=-1)
    return ordered, np.broadcast_to(valid, values.shape).sum(axis=-1)


def leading_median(ordered: NDArray[np.floating], count: NDArray[np.intp]) -> NDArray[np.float64]:
    """Median of the first `count` samples of every sorted row; NaN where there is none."""
    index = count[..., None]
    below = np.take_along_axis(ordered, np.maximum(index - 1, 0) // 2, axis=-1)[..., 0]
    above = np.take_along_axis(ordered, index // 2, axis=-1)[..., 0]
    return np.where(count > 0, 0.5 * (below.astype(np.float64) + above), np.nan)
