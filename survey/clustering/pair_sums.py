"""Sums of a matrix of squared distances, without the square matrix in memory.

The silhouette and the medoids need only the distances of every spaxel to every cluster. They come
from one of

=================  ============================================================================
`CondensedPairs`   the condensed matrix of all spaxels
`SampledPairs`     the condensed matrix of a random sample
=================  ============================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Pairs(Protocol):
    """Squared distances of pairs of spaxels."""

    @property
    def items(self) -> NDArray[np.intp]:
        """(m,) spaxels whose distances are known, increasing."""

    def sums_to_clusters(self, labels: NDArray[np.integer], k: int) -> NDArray[np.float64]:
        """Sum (k, m) of plain distances from every cluster to every item.

        Parameters
        ----------
        labels : (m,) array of int
            Clusters 0..k-1 of the items.
        k : int
        """


@dataclass(frozen=True)
class CondensedPairs:
    """All pairs, in SciPy's order: (0, 1), (0, 2), ... (n-2, n-1).

    Parameters
    ----------
    condensed : (n (n-1) / 2,) array
    """

    condensed: NDArray[np.floating]

    @property
    def items(self) -> NDArray[np.intp]:
        """See `Pairs.items`."""
        return np.arange(round((1 + np.sqrt(1 + 8 * len(self.condensed))) / 2))

    def sums_to_clusters(self, labels: NDArray[np.integer], k: int) -> NDArray[np.float64]:
        """See `Pairs.sums_to_clusters`."""
        size = len(labels)
        sums = np.zeros((k, size))
        start = 0
        for i in range(size - 1):
            stop = start + size - 1 - i
            distance = np.sqrt(self.condensed[start:stop], dtype=np.float64)
            sums[labels[i], i + 1 :] += distance
            sums[:, i] += np.bincount(labels[i + 1 :], distance, minlength=k)
            start = stop
        return sums


@dataclass(frozen=True)
class SampledPairs:
    """The pairs of a sample.

    A mean over m random spaxels has an error of 1/sqrt(m) of the scatter: for a mean silhouette of
    4,000 spaxels that is 0.003, and less for differences between numbers of clusters.

    Parameters
    ----------
    items : (m,) array of int
        Spaxels of the sample, increasing; see `random_sample`.
    condensed : (m (m-1) / 2,) array
        Their squared distances.
    """

    items: NDArray[np.intp]
    condensed: NDArray[np.floating]

    def sums_to_clusters(self, labels: NDArray[np.integer], k: int) -> NDArray[np.float64]:
        """See `Pairs.sums_to_clusters`."""
        return CondensedPairs(self.condensed).sums_to_clusters(labels, k)


def as_pairs(distances: Pairs | NDArray[np.floating]) -> Pairs:
    """A condensed matrix as `Pairs`; `Pairs` are returned unchanged."""
    return CondensedPairs(distances) if isinstance(distances, np.ndarray) else distances


def random_sample(n: int, size: int, seed: int) -> NDArray[np.intp]:
    """At most `size` of n spaxels, increasing."""
    return np.sort(np.random.default_rng(seed).choice(n, min(size, n), replace=False))


def sampled_members(labels: NDArray[np.integer], size: int, seed: int) -> list[NDArray[np.intp]]:
    """At most `size` spaxels of each cluster 1..k, increasing."""
    members = (np.flatnonzero(labels == label) for label in range(1, labels.max() + 1))
    return [rows[random_sample(len(rows), size, seed)] for rows in members]
