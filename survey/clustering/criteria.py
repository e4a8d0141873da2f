"""Partitions of a dendrogram, and their mean silhouette against the number of clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.clustering.pair_sums import Pairs

Tree = NDArray[np.float64]
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class CutProblem:
    """A dendrogram to be cut, and the numbers of clusters to choose from.

    Parameters
    ----------
    tree : (n-1, 4) array
        Merges in order of height, in the format of SciPy.
    pairs : Pairs
        Squared distances, of all spaxels or of a sample.
    ks : (m,) array of int
        Increasing numbers of clusters, at least 2 and below n.
    """

    tree: Tree
    pairs: Pairs
    ks: NDArray[np.intp]

    @property
    def size(self) -> int:
        """Number of spaxels."""
        return len(self.tree) + 1


def partition(tree: Tree, k: int) -> Labels:
    """Labels 0..k-1 from undoing the last ``k - 1`` merges, which gives exactly k clusters.

    Partitions of one tree are nested: more clusters only divide those of fewer.
    """
    return np.unique(_roots(tree, k), return_inverse=True)[1].astype(np.int32)


def _roots(tree: Tree, k: int) -> NDArray[np.intp]:
    """Tree node of the cluster of every spaxel."""
    size = len(tree) + 1
    merges = size - k
    parent = np.arange(size + merges)
    parent[tree[:merges, :2].astype(np.intp)] = size + np.arange(merges)[:, None]
    # Every round doubles how far up a node sees: as many rounds as the depth has bits.
    while True:
        further = parent[parent]
        if np.array_equal(further, parent):
            return parent[:size]
        parent = further


def silhouette(problem: CutProblem) -> NDArray[np.float64]:
    """Mean silhouette (Rousseeuw 1987) of the items of `pairs`, on the plain distances.

    It is zero for single spaxels.
    The sums of distances from every spaxel to every cluster are made once, for the finest cut;
    those of a coarser cut follow by adding two of them for each merge.
    """
    finest = int(problem.ks[-1])
    items = problem.pairs.items
    nodes, column = np.unique(_roots(problem.tree, finest), return_inverse=True)
    column = column[items]
    sums = problem.pairs.sums_to_clusters(column, finest)
    to_node = dict(zip(nodes.tolist(), sums, strict=True))
    value = {finest: _mean_silhouette(nodes, column, sums)}
    for k in range(finest - 1, int(problem.ks[0]) - 1, -1):
        merge = problem.size - k - 1
        left, right = (int(node) for node in problem.tree[merge, :2])
        to_node[problem.size + merge] = to_node.pop(left) + to_node.pop(right)
        nodes, column = np.unique(_roots(problem.tree, k), return_inverse=True)
        column = column[items]
        value[k] = _mean_silhouette(nodes, column, np.stack([to_node[node] for node in nodes]))
    return np.array([value[k] for k in problem.ks])


def _mean_silhouette(
    nodes: NDArray[np.intp], column: NDArray[np.intp], sums: NDArray[np.float64]
) -> float:
    count = np.bincount(column, minlength=len(nodes))
    spaxel = np.arange(len(column))
    own = count[column]
    within = sums[column, spaxel] / np.maximum(own - 1, 1)
    # A cluster without a spaxel in the sample cannot be the nearest one.
    means = np.where(count[:, None] > 0, sums, np.inf) / np.maximum(count, 1)[:, None]
    means[column, spaxel] = np.inf
    nearest = means.min(axis=0)
    larger = np.maximum(within, nearest)
    width = np.where(own > 1, nearest - within, 0.0) / np.where(larger > 0, larger, 1.0)
    return float(width.mean())
