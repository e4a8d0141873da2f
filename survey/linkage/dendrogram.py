"""Makes a tree in the format of SciPy from merges in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from survey.distances.compiled import compiled

Tree = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Merges:
    """Merges in the order in which they were found.

    Parameters
    ----------
    first, second : (m,) arrays of int
        Any member of each of the two clusters that a merge joins. A merge comes after those
        that made its clusters.
    heights : (m,) array of float64
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    heights: npt.NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Merges]) -> Merges:
        """Merges one part after the other."""
        return cls(
            np.concatenate([part.first for part in parts]),
            np.concatenate([part.second for part in parts]),
            np.concatenate([part.heights for part in parts]),
        )


def sorted_tree(merges: Merges) -> Tree:
    """Tree (n - 1, 4) of all merges by increasing height, in the format of SciPy.

    A merge that rounding has put below those that made its clusters is raised to them.
    """
    heights = _growing(merges.first, merges.second, merges.heights)
    order = np.argsort(heights, kind="stable")
    return _joined(merges.first[order], merges.second[order], heights[order])


@compiled(nogil=True)
def _growing(first, second, heights):  # type: ignore[no-untyped-def]
    parent = np.arange(len(heights) + 1)
    highest = np.zeros(len(heights) + 1)
    grown = np.empty(len(heights))
    for merge in range(len(heights)):
        left, right = _root(parent, first[merge]), _root(parent, second[merge])
        grown[merge] = max(heights[merge], max(highest[left], highest[right]))
        parent[right] = left
        highest[left] = grown[merge]
    return grown


@compiled(nogil=True)
def _joined(first, second, heights):  # type: ignore[no-untyped-def]
    size = len(heights) + 1
    tree = np.empty((size - 1, 4))
    count = np.ones(2 * size - 1)
    parent = np.arange(2 * size - 1)
    for merge in range(size - 1):
        left, right = _root(parent, first[merge]), _root(parent, second[merge])
        node = size + merge
        parent[left] = parent[right] = node
        count[node] = count[left] + count[right]
        tree[merge, 0], tree[merge, 1] = min(left, right), max(left, right)
        tree[merge, 2], tree[merge, 3] = heights[merge], count[node]
    return tree


@compiled(nogil=True)
def _root(parent, node):  # type: ignore[no-untyped-def]
    root = node
    while parent[root] != root:
        root = parent[root]
    while parent[node] != root:
        parent[node], node = root, parent[node]
    return root
