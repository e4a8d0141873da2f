"""A forest as arrays of numbers, so that loading one from a file cannot run code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from survey.classes.methods.forest import GrownTree
from survey.classes.types import Floats, Floats32

LEAF = -1

PLACES_AT_ONCE = 2**20
"""Pairs of cluster and tree that are followed at a time, to bound the memory."""


@dataclass(frozen=True)
class FlatForest:
    """The nodes of all trees, one after the other.

    Attributes
    ----------
    roots : int array (T,)
        First node of every tree.
    left, right : int array (M,)
        The node to go to when the predictor is at most, or above, the threshold; `LEAF` for
        both where the tree ends. Always a later node.
    predictor : int array (M,)
        Column that is compared; 0 in leaves.
    threshold : array (M,)
    fraction : array (M, C)
        Fractions of the classes among the clusters that came to the node.
    """

    roots: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    predictor: NDArray[np.int32]
    threshold: Floats
    fraction: Floats

    def probabilities(self, predictors: Floats32) -> Floats:
        """Mean over the trees of the fractions in the leaves, for clusters (N, P): (N, C)."""
        predictors = np.asarray(predictors, np.float32)
        step = max(1, PLACES_AT_ONCE // len(self.roots))
        parts = [
            self.fraction[self._leaves(predictors[start : start + step])].mean(axis=1)
            for start in range(0, len(predictors), step)
        ]
        return np.concatenate([np.empty((0, self.fraction.shape[1])), *parts])

    def _leaves(self, predictors: Floats32) -> NDArray[np.int32]:
        """The leaf of every cluster in every tree (N, T)."""
        row = np.arange(len(predictors))[:, np.newaxis]
        node = np.broadcast_to(self.roots, (len(predictors), len(self.roots)))
        while (inner := self.left[node] != LEAF).any():
            low = predictors[row, self.predictor[node]] <= self.threshold[node]
            node = np.where(inner, np.where(low, self.left[node], self.right[node]), node)
        return node


def flatten(trees: Iterable[GrownTree]) -> FlatForest:
    """Take the numbers out of grown trees."""
    return join_forests([_flat_tree(tree) for tree in trees])


def join_forests(forests: Sequence[FlatForest]) -> FlatForest:
    """One forest of the trees of all, in their order."""
    starts = np.cumsum([0, *(len(forest.left) for forest in forests[:-1])], dtype=np.int32)

    def moved(name: str) -> NDArray[np.int32]:
        nodes = [getattr(forest, name) for forest in forests]
        return np.concatenate(
            [np.where(n == LEAF, LEAF, n + start) for n, start in zip(nodes, starts, strict=True)],
            dtype=np.int32,
        )

    return FlatForest(
        roots=moved("roots"),
        left=moved("left"),
        right=moved("right"),
        predictor=np.concatenate([forest.predictor for forest in forests]),
        threshold=np.concatenate([forest.threshold for forest in forests]),
        fraction=np.concatenate([forest.fraction for forest in forests]),
    )


def _flat_tree(grown: GrownTree) -> FlatForest:
    tree = grown.tree
    inner = tree.children_left != LEAF
    fraction = np.zeros((tree.node_count, grown.n_classes))
    fraction[:, grown.classes] = tree.value[:, 0, :]
    return FlatForest(
        roots=np.zeros(1, np.int32),
        left=tree.children_left.astype(np.int32),
        right=tree.children_right.astype(np.int32),
        predictor=np.where(inner, tree.feature, 0).astype(np.int32),
        threshold=np.where(inner, tree.threshold, 0.0),
        fraction=fraction,
    )


def forest_arrays(forest: FlatForest) -> dict[str, NDArray[np.generic]]:
    """The arrays by name, to be stored."""
    return asdict(forest)


def forest_from_arrays(
    arrays: Mapping[str, object], *, n_predictors: int, n_classes: int
) -> FlatForest:
    """A forest from stored arrays, every index of which is checked before it is used.

    Raises
    ------
    ValueError
        If they are not those of a forest with so many predictors and classes.
    """
    names = [field.name for field in fields(FlatForest)]
    given = [np.asarray(arrays.get(name)) for name in names]
    if any(array.dtype.kind not in "if" or not np.isfinite(array).all() for array in given):
        raise ValueError("arrays of the forest are missing or are not numbers")
    roots, left, right, predictor = (array.astype(np.int32) for array in given[:4])
    threshold, fraction = (array.astype(np.float64) for array in given[4:])
    size = left.size
    if not (
        roots.ndim == 1
        and roots.size
        and {left.shape, right.shape, predictor.shape, threshold.shape} == {(size,)}
        and fraction.shape == (size, n_classes)
    ):
        raise ValueError("arrays of the forest differ in shape")
    after = np.arange(size)
    leaf = (left == LEAF) & (right == LEAF)
    ahead = (left > after) & (right > after) & (left < size) & (right < size)
    inside = (predictor >= 0) & (predictor < n_predictors)
    if not ((leaf | ahead).all() and inside.all() and (roots >= 0).all() and (roots < size).all()):
        raise ValueError("nodes of the forest refer to missing nodes or columns")
    if not (np.isfinite(threshold).all() and np.allclose(fraction.sum(axis=1), 1.0)):
        raise ValueError("thresholds or fractions of the forest are out of range")
    return FlatForest(roots, left, right, predictor, threshold, fraction)
