"""Whether classes are more than their labels: galaxies held out, labels shuffled.

A method that has seen a galaxy knows its labels. So accuracy is measured on galaxies that it has
not seen, and compared with that of the same method trained on labels that were shuffled among the
labelled clusters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from survey.classes.methods.registry import FitOptions
from survey.classes.sample import LabelledSample
from survey.classes.scores import score
from survey.classes.training import labels_to_learn, scaled_predictors, train
from survey.classes.types import UNLABELLED

SHUFFLES = 20


@dataclass(frozen=True)
class HeldOut:
    """Balanced accuracy with galaxies held out.

    Attributes
    ----------
    accuracy : float
        NaN if the clusters of a single galaxy, or of one class, have labels.
    shuffled : tuple of float
        The same with shuffled labels.
    n : int
        Clusters that it is measured on.
    """

    accuracy: float
    shuffled: tuple[float, ...]
    n: int


def held_out(
    labelled: LabelledSample,
    method: str,
    options: FitOptions,
    rng: np.random.Generator,
    shuffles: int = SHUFFLES,
) -> HeldOut:
    """Balanced accuracy of a method on galaxies that it has not seen, and by chance."""
    labels = labels_to_learn(labelled)
    accuracy, n = _accuracy(labelled, method, options)
    known = np.flatnonzero(labels != UNLABELLED)
    by_chance = []
    for _ in range(shuffles if np.isfinite(accuracy) else 0):
        shuffled = labels.copy()
        shuffled[known] = rng.permutation(labels[known])
        by_chance.append(_accuracy(replace(labelled, labels=shuffled), method, options)[0])
    return HeldOut(accuracy, tuple(value for value in by_chance if np.isfinite(value)), n)


def _accuracy(labelled: LabelledSample, method: str, options: FitOptions) -> tuple[float, int]:
    _, predictors = scaled_predictors(labelled)
    trained = train(labelled, predictors, method, options)
    found = score(trained.held_out(predictors), labels_to_learn(labelled))
    return found.balanced_accuracy, found.n
