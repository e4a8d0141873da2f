"""The methods of classification behind one interface.

A method is fitted to scaled predictors and labels; the result gives probabilities and how much each
predictor matters, and can be stored as arrays of numbers. To add a method: a class with what
`Classifier` asks for, and an entry in `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from survey.classes.methods.forest import GrownTree, grow_trees
from survey.classes.methods.forest_arrays import (
    FlatForest,
    flatten,
    forest_arrays,
    forest_from_arrays,
)
from survey.classes.methods.logistic import fit_logistic, logistic_from_arrays
from survey.classes.methods.mixture import fit_mixture, mixture_from_arrays
from survey.classes.types import UNLABELLED, Bools, Floats, Floats32, Labels

SMOOTHING = 0.6
"""Noise that is added to what a tree sees, in scatters of the predictors, if labels are few.

Chosen on the archives 0 to 7 of tests/benchmarks/truth/bench_truth_classes.py, which have 38
labels: none has 0.08 less of the accuracy of three classes, 0.5 to 0.8 do alike.
"""

FEW_LABELS = 40
"""With more labels n the noise falls as n^(-1/5): with 1,400 0.3 is better by 0.014."""

ROWS_PER_CLASS = 200
"""Least number of clusters of each class that a tree sees, most of them several times.

Their noise differs, so that the borders of a tree are smooth. With as many as there are labels the
accuracy is 0.01 less.
"""

LOGISTIC, MIXTURE, FOREST = "logistic", "mixture", "forest"


class Classifier(Protocol):
    """A fitted method."""

    def probabilities(self, predictors: Floats32) -> Floats:
        """Probabilities (N, C) by scaled predictors (N, P)."""

    @property
    def weights(self) -> Floats:
        """How much each predictor matters (P,), not normalised."""

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The numbers, to be stored."""


@dataclass(frozen=True)
class FitOptions:
    """What a method is fitted with; `trees` and `rows_per_tree` are those of a forest."""

    trees: int
    rows_per_tree: int
    seed: int


@dataclass(frozen=True)
class Forest:
    """A forest that is grown once, from clusters as measured.

    `unseen` (N, T) are the clusters that each tree was not grown from. A stored forest has only its
    `nodes`; one that was just grown is applied by its `trees`, which is faster.
    """

    nodes: FlatForest
    importance: Floats
    unseen: Bools
    trees: tuple[GrownTree, ...] = ()

    def probabilities(self, predictors: Floats32) -> Floats:
        """Mean probabilities (N, C) of the trees."""
        if not self.trees:
            return self.nodes.probabilities(predictors)
        total = np.zeros((len(predictors), self.nodes.fraction.shape[1]))
        for tree in self.trees:
            total += tree.probabilities(predictors)
        return total / len(self.trees)

    def out_of_bag(self, predictors: Floats32) -> Floats:
        """Probabilities (N, C) of the sample by the trees not grown from a cluster; or NaN."""
        total = np.zeros((len(predictors), self.nodes.fraction.shape[1]))
        for number, tree in enumerate(self.trees):
            rows = self.unseen[:, number]
            total[rows] += tree.probabilities(predictors[rows])
        with np.errstate(invalid="ignore"):
            return np.asarray(total / self.unseen.sum(axis=1)[:, np.newaxis])

    @property
    def weights(self) -> Floats:
        """Decrease of the Gini impurity by each predictor."""
        return self.importance

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The nodes of the trees, to be stored, and the importances."""
        return forest_arrays(self.nodes) | {"importance": self.importance}


def fit_forest(predictors: Floats32, labels: Labels, n_classes: int, options: FitOptions) -> Forest:
    """Grow a forest from the labelled of N clusters, all classes alike."""
    n_labels = int((labels != UNLABELLED).sum())
    trees = grow_trees(
        np.asarray(predictors, np.float32),
        labels,
        n_classes=n_classes,
        trees=options.trees,
        rows_per_tree=options.rows_per_tree,
        rng=np.random.default_rng(options.seed),
        balanced=True,
        least_per_class=ROWS_PER_CLASS,
        smoothing=SMOOTHING * min(1.0, FEW_LABELS / n_labels) ** 0.2,
    )
    return Forest(
        nodes=flatten(trees),
        importance=np.mean([tree.importances for tree in trees], axis=0),
        unseen=np.stack([tree.unseen(len(labels)) for tree in trees], axis=1),
        trees=tuple(trees),
    )


def stored_forest(arrays: Mapping[str, object], *, n_predictors: int, n_classes: int) -> Forest:
    """A forest from stored arrays.

    Raises
    ------
    ValueError
        If they are not those of a forest with so many predictors and classes.
    """
    nodes = forest_from_arrays(arrays, n_predictors=n_predictors, n_classes=n_classes)
    importance = np.asarray(arrays.get("importance", np.full(n_predictors, np.nan)), np.float64)
    if importance.shape != (n_predictors,):
        raise ValueError("importances do not fit the predictors")
    return Forest(nodes, importance, np.empty((0, len(nodes.roots)), dtype=bool))


@dataclass(frozen=True)
class MethodEntry:
    """How a method is fitted and read from arrays.

    `temperature` is the usual one of its probabilities (`survey.classes.methods.calibration`).
    """

    fit: Callable[[Floats32, Labels, int, FitOptions], Classifier]
    read: Callable[..., Classifier]
    temperature: float = 1.0


def _without_options(fit: Callable[[Floats32, Labels, int], Classifier]) -> Any:
    return lambda predictors, labels, n_classes, options: fit(predictors, labels, n_classes)


METHODS: dict[str, MethodEntry] = {
    LOGISTIC: MethodEntry(_without_options(fit_logistic), logistic_from_arrays, temperature=0.5),
    MIXTURE: MethodEntry(_without_options(fit_mixture), mixture_from_arrays, temperature=1.2),
    FOREST: MethodEntry(fit_forest, stored_forest, temperature=0.65),
}


def can_be_learnt(labels: Labels) -> bool:
    """Whether two classes at least have labels."""
    return len(np.unique(labels[labels != UNLABELLED])) >= 2
