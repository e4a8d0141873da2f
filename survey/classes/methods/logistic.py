"""Multinomial logistic regression with an L2 penalty: classes separated by planes.

    p_c proportional to exp(b_c + w_c . x)

The penalty is scikit-learn's, 1 / (2 C) |w|^2; classes count alike, however many labels they have.
A few labels are enough for a few predictors, which is why it does better here than a forest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from survey.classes.types import UNLABELLED, Floats, Floats32, Labels

FEW_LABELS_C, MOST_C = 0.3, 1.0
"""C of at most `FEW_LABELS` labels, and of many.

Chosen on the archives 0 to 11 and 100 to 111 of tests/benchmarks/truth/bench_truth_classes.py,
which have 27 labels: 0.2 does alike, 0.5 has 0.004 less of the accuracy of three classes, 1 has
0.013 less. With 600 labels 0.3 has 0.003 less than 1.
"""

FEW_LABELS = 40
"""With more, C grows in proportion."""

MAX_ITERATIONS = 1000

ABSENT = -1e6
"""Intercept of a class without labels: its probability is zero."""


@dataclass(frozen=True)
class Logistic:
    """Coefficients (C, P) and intercepts (C,) for scaled predictors."""

    coefficient: Floats
    intercept: Floats

    def probabilities(self, predictors: Floats32 | Floats) -> Floats:
        """Probabilities (N, C) of the classes."""
        score = predictors @ self.coefficient.T + self.intercept
        score -= score.max(axis=1, keepdims=True)
        p = np.exp(score)
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    @property
    def weights(self) -> Floats:
        """How much each predictor matters (P,): root mean square over pairs of classes.

        Of the difference of their coefficients, so that a change common to all counts nothing.
        """
        present = self.coefficient[self.intercept > ABSENT]
        i, j = np.triu_indices(len(present), k=1)
        return np.asarray(np.sqrt(((present[i] - present[j]) ** 2).mean(axis=0)))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The numbers, to be stored."""
        return {"coefficient": self.coefficient, "intercept": self.intercept}


def penalty_of(n_labels: int) -> float:
    """C for so many labels: the fewer they are, the less is believed of them."""
    return min(MOST_C, FEW_LABELS_C * max(1.0, n_labels / FEW_LABELS))


def fit_logistic(predictors: Floats32 | Floats, labels: Labels, n_classes: int) -> Logistic:
    """Fit the labelled of N clusters by their scaled predictors (N, P).

    Two classes at least must have labels; one that has none gets the probability zero.
    """
    rows = labels != UNLABELLED
    c = penalty_of(int(rows.sum()))
    estimator = LogisticRegression(C=c, class_weight="balanced", max_iter=MAX_ITERATIONS)
    estimator.fit(np.asarray(predictors[rows], np.float64), labels[rows])
    found, intercept_found = estimator.coef_, estimator.intercept_
    if len(estimator.classes_) == 2:  # scikit-learn keeps the second minus the first only
        found = np.concatenate([-found, found]) / 2
        intercept_found = np.concatenate([-intercept_found, intercept_found]) / 2
    coefficient = np.zeros((n_classes, predictors.shape[1]))
    intercept = np.full(n_classes, ABSENT)
    coefficient[estimator.classes_] = found
    intercept[estimator.classes_] = intercept_found
    return Logistic(coefficient, intercept)


def logistic_from_arrays(
    arrays: Mapping[str, object], *, n_predictors: int, n_classes: int
) -> Logistic:
    """A regression from stored arrays.

    Raises
    ------
    ValueError
        If they are not those of so many predictors and classes.
    """
    coefficient = np.asarray(arrays.get("coefficient"))
    intercept = np.asarray(arrays.get("intercept"))
    fits = coefficient.shape == (n_classes, n_predictors) and intercept.shape == (n_classes,)
    if not (fits and coefficient.dtype.kind == intercept.dtype.kind == "f"):
        raise ValueError("coefficients do not fit the predictors and classes")
    if not (np.isfinite(coefficient).all() and np.isfinite(intercept).all()):
        raise ValueError("coefficients are not finite")
    return Logistic(coefficient, intercept)
