"""Random forests (Breiman 2001), tree by tree.

The trees are scikit-learn's. They are grown one at a time (see `decision_tree`): then it is known
which clusters each tree has not seen, it takes a fraction of the time of `RandomForestClassifier`
on samples this small, and samples of any size can be grown from subsamples that fit in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from survey.classes.methods.decision_tree import grow_tree
from survey.classes.types import UNLABELLED, Bools, Floats, Floats32, Ints, Labels


@dataclass(frozen=True)
class GrownTree:
    """A tree with the rows of the sample that it was grown from.

    `tree` is scikit-learn's; `classes` are the positions of the classes that occur among these
    rows.
    """

    tree: Any
    rows: Ints
    classes: Ints
    n_classes: int

    def probabilities(self, predictors: Floats32) -> Floats:
        """Fractions of the classes (N, C) in the leaves that clusters end in."""
        leaves = self.tree.predict(predictors)
        out = np.zeros((len(predictors), self.n_classes))
        out[:, self.classes] = leaves
        return out

    def unseen(self, n: int) -> Bools:
        """Which of the N clusters it was not grown from."""
        return np.bincount(self.rows, minlength=n) == 0

    @property
    def importances(self) -> Floats:
        """Decrease of the Gini impurity by each predictor (P,); the sum is one, or zero."""
        return np.asarray(self.tree.compute_feature_importances())


def grow_trees(
    predictors: Floats32,
    labels: Labels,
    *,
    n_classes: int,
    trees: int,
    rows_per_tree: int,
    rng: np.random.Generator,
    balanced: bool = False,
    least_per_class: int = 1,
    smoothing: float = 0.0,
) -> list[GrownTree]:
    """Grow trees, each from a bootstrap sample of at most `rows_per_tree` labelled clusters.

    With `balanced`, a tree sees as many clusters of each class, `least_per_class` or more (Chen,
    Liaw & Breiman 2004, UC Berkeley technical report 666): otherwise a class of few labels is
    hardly ever found. With `smoothing`, noise of this standard deviation is added to what a tree
    sees (smoothed bootstrap, Silverman & Young 1987, Biometrika 74, 469): otherwise trees of a few
    labels follow every one.
    """
    rows = np.flatnonzero(labels != UNLABELLED)
    size = min(len(rows), rows_per_tree)
    of_class = [np.flatnonzero(labels == k) for k in np.unique(labels[rows])]
    share = max(-(-size // len(of_class)), least_per_class)
    states = np.random.RandomState(rng.integers(2**32, dtype=np.uint32))
    grown = []
    for _ in range(trees):
        if balanced:
            bags = [rng.permutation(own)[: _bag_size(len(own))] for own in of_class]
            chosen = np.concatenate([bag[rng.integers(len(bag), size=share)] for bag in bags])
        else:
            chosen = rows[rng.integers(len(rows), size=size)]
        seen = predictors[chosen]
        if smoothing:
            seen = seen + rng.normal(0, smoothing, seen.shape).astype(np.float32)
        classes, target = np.unique(labels[chosen], return_inverse=True)
        tree = grow_tree(seen, target, len(classes), states)
        grown.append(GrownTree(tree, chosen, classes.astype(np.intp), n_classes))
    return grown


def _bag_size(n: int) -> int:
    """How many different clusters a balanced tree sees: as many as a bootstrap sample has."""
    return max(1, round((1 - np.exp(-1)) * n))


def probabilities(trees: Sequence[GrownTree], predictors: Floats32) -> tuple[Floats, Floats]:
    """Mean probabilities (N, C) over all trees, and over those that have not seen a cluster.

    The latter are out of bag; NaN where every tree has seen the cluster.
    """
    n = len(predictors)
    total = np.zeros((n, trees[0].n_classes))
    total_unseen, count_unseen = np.zeros_like(total), np.zeros((n, 1))
    for tree in trees:
        found, unseen = tree.probabilities(predictors), tree.unseen(n)[:, np.newaxis]
        total += found
        total_unseen += found * unseen
        count_unseen += unseen
    with np.errstate(invalid="ignore"):
        return total / len(trees), total_unseen / count_unseen
