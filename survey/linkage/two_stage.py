"""Trees of galaxies with too many spaxels for any matrix of their pairs: two stages.

First the spaxels are grouped into a few thousand micro-clusters of nearly equal spectra, by k-means
on principal components. Then the tree of these is made. Ward's method and the average depend on the
distances within and between clusters only through their sums: with S_AB the sum of the squared
distances over all ordered pairs of a member of A and one of B,

    D^2(A, B) = 2 |A| |B| / (|A| + |B|) (mean_AB - mean_AA / 2 - mean_BB / 2),
    mean_AB = S_AB / (|A| |B|),

also if the distances are not Euclidean. So only the sums over pairs of micro-clusters are kept, and
for given micro-clusters the tree is exact: the same as if the method had merged all spaxels into
them first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from survey.distances.compiled import compiled
from survey.distances.lags import Array
from survey.errors import ConfigError
from survey.linkage.dendrogram import Merges, Tree, sorted_tree
from survey.linkage.lance_williams import Linkage
from survey.linkage.nn_chain import chain_merges

N_MICRO = 3000
"""Micro-clusters of a large galaxy. Their matrix, and the tree made of it, take seconds."""

_ROUNDS = 12


def micro_clusters(
    scores: NDArray[np.float32], n_clusters: int = N_MICRO, *, seed: int = 0, threads: int = 1
) -> NDArray[np.int32]:
    """Gather spaxels of nearly equal spectra.

    Parameters
    ----------
    scores : (n, d) array
        See `SpectralBasis.scores`.
    n_clusters : int
        At most as many as there are different scores will be found.
    seed, threads : int

    Returns
    -------
    (n,) array of int32
        0..m-1, none empty, in the order of the first spaxel of each.
    """
    from sklearn.cluster import KMeans  # slow to load, and only this path needs it

    n_clusters = min(n_clusters, len(scores))
    # Centres that start at random spaxels: choosing them with more care takes longer than the
    # few rounds in which they settle, and all that is asked is that members be alike.
    means = KMeans(n_clusters, init="random", n_init=1, max_iter=_ROUNDS, random_state=seed)
    with threadpool_limits(threads):
        found = means.fit_predict(scores)
    _, first, label = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[label].astype(np.int32)


@dataclass(frozen=True)
class BlockSums:
    """Sums over the pairs of one rectangle of the matrix.

    Parameters
    ----------
    left, right : (a,) and (b,) arrays of int
        Micro-clusters of the rows and columns.
    sums : (a, b) array
        Sum over the pairs of each two.
    diagonal : bool
        Whether the rectangle is that of a strip with itself.
    """

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    sums: NDArray[np.float64]
    diagonal: bool


def block_sums(
    values: Array,
    left: NDArray[np.integer],
    right: NDArray[np.integer] | None = None,
) -> BlockSums:
    """Sum a rectangle over pairs of micro-clusters.

    The result is small if spaxels of one micro-cluster are together in one strip or few.

    Parameters
    ----------
    values : (m, l) array
        Squared distances between two strips, or what `Linkage.feed` makes of them.
    left, right : (m,) and (l,) arrays of int
        Micro-clusters of the spaxels; the second is left out for a strip with itself.
    """
    rows, row = np.unique(left, return_inverse=True)
    columns, column = (rows, row) if right is None else np.unique(right, return_inverse=True)
    sums = np.zeros((len(rows), len(columns)))
    _add_up(values, row, column, sums)
    return BlockSums(rows.astype(np.int32), columns.astype(np.int32), sums, diagonal=right is None)


class MicroSums:
    """Adds up block sums, and makes the tree.

    Parameters
    ----------
    labels : (n,) array of int
        Micro-cluster of every spaxel, as of `micro_clusters`.
    """

    def __init__(self, labels: NDArray[np.int32]) -> None:
        self.labels = labels
        self.counts = np.bincount(labels).astype(np.float64)
        self.sums = np.zeros((len(self.counts), len(self.counts)))

    def add(self, part: BlockSums) -> None:
        """Take in the sums of one rectangle; of every pair of strips one has to be added."""
        self.sums[np.ix_(part.left, part.right)] += part.sums
        if not part.diagonal:
            self.sums[np.ix_(part.right, part.left)] += part.sums.T

    def tree(self, linkage: Linkage) -> Tree:
        """Tree (n - 1, 4) of the spaxels: first come the micro-clusters, all at height zero.

        Raises
        ------
        ConfigError
            For methods that need more than sums.
        """
        first = np.unique(self.labels, return_index=True)[1]
        spaxels = np.delete(np.arange(len(self.labels)), first)
        within = Merges(first[self.labels[spaxels]], spaxels, np.zeros(len(spaxels)))
        if len(first) == 1:
            return sorted_tree(within)
        condensed = self.distances(linkage)[np.triu_indices(len(first), 1)]
        between = chain_merges(condensed, first, self.counts, linkage)
        return sorted_tree(Merges.joined([within, between]))

    def distances(self, linkage: Linkage) -> NDArray[np.float64]:
        """Distances (m, m) of the micro-clusters, as the method has them, in its unit."""
        mean = self.sums / np.outer(self.counts, self.counts)
        if linkage.method == "average":
            return mean
        if linkage.method == "ward":
            within = np.diagonal(mean)
            weight = 1.0 / (0.5 / self.counts[:, None] + 0.5 / self.counts)
            return weight * (mean - 0.5 * within[:, None] - 0.5 * within)
        raise ConfigError(
            f"linkage {linkage.method!r} is not possible with micro-clusters",
            expected="ward or average, which depend on sums of distances",
            advice="Give the workers more memory, or take another method",
        )


@compiled(nogil=True)
def _add_up(values, row, column, sums):  # type: ignore[no-untyped-def]
    line = np.empty(sums.shape[1])
    for i in range(len(row)):
        line[:] = 0.0
        for j in range(len(column)):
            line[column[j]] += values[i, j]
        sums[row[i]] += line
