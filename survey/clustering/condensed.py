"""Sums and parts of a condensed distance matrix, without ever making the square one.

The matrix holds squared distances in SciPy's order: the pairs (0, 1), (0, 2), ... (n-2, n-1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sums_to_clusters(
    condensed: NDArray[np.floating], labels: NDArray[np.integer], k: int
) -> NDArray[np.float64]:
    """Sum of plain distances from every cluster to every spaxel.

    Parameters
    ----------
    condensed : (n (n-1) / 2,) array
        Squared distances.
    labels : (n,) array of int
        0..k-1.

    Returns
    -------
    (k, n) array
    """
    size = len(labels)
    sums = np.zeros((k, size))
    start = 0
    for i in range(size - 1):
        stop = start + size - 1 - i
        distance = np.sqrt(condensed[start:stop], dtype=np.float64)
        sums[labels[i], i + 1 :] += distance
        sums[:, i] += np.bincount(labels[i + 1 :], distance, minlength=k)
        start = stop
    return sums


def submatrix(
    condensed: NDArray[np.floating], chosen: NDArray[np.integer], size: int
) -> NDArray[np.floating]:
    """Condensed matrix of the spaxels `chosen`, in increasing order, out of `size`."""
    first, second = np.triu_indices(len(chosen), k=1)
    i, j = chosen[first].astype(np.int64), chosen[second].astype(np.int64)
    return condensed[size * i - i * (i + 1) // 2 + j - i - 1]
