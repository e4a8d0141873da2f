"""Scores of probabilities against known labels: accuracy and calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.classes.types import UNLABELLED, Floats, Labels

RELIABILITY_BINS = 10


@dataclass(frozen=True)
class Score:
    """Probabilities of C classes against labels.

    Attributes
    ----------
    n : int
        Clusters that have both.
    n_labelled_classes : int
        Classes among them. With fewer than two there is nothing to tell apart, and no score.
    accuracy : float
        Fraction that gets its class.
    majority_accuracy : float
        The same if all were given the most frequent class.
    balanced_accuracy : float
        Mean over the classes of the fraction found. If all were given one class it would be
        one over the number of classes.
    brier : float
        Mean squared distance of the probabilities from the truth, 0 (best) to 2.
    confusion : int array (C, C)
        Clusters of each class (row) by the class found (column).
    reliability_p, reliability_fraction : array (C, B)
        Mean probability of a class in bins of that probability, and the fraction of the
        clusters in the bin that have it; NaN where the bin is empty.
    reliability_count : int array (C, B)
        Clusters in the bin.
    """

    n: int
    n_labelled_classes: int
    accuracy: float
    majority_accuracy: float
    balanced_accuracy: float
    brier: float
    confusion: NDArray[np.int64]
    reliability_p: Floats
    reliability_fraction: Floats
    reliability_count: NDArray[np.int64]

    @property
    def balanced_majority(self) -> float:
        """Balanced accuracy if all were given one class; NaN where there is no score."""
        return 1 / self.n_labelled_classes if self.n_labelled_classes >= 2 else np.nan

    @property
    def calibration_error(self) -> float:
        """Mean distance of probability and fraction over all bins, weighted by counts."""
        distance = np.abs(self.reliability_p - self.reliability_fraction)
        weighted = np.nansum(self.reliability_count * distance)
        return float(weighted / self.reliability_count.sum()) if self.n else np.nan


def score(probabilities: Floats, labels: Labels) -> Score:
    """Score probabilities (N, C) by labels (N,), where both are known.

    The class found is the most probable one.
    """
    known = (labels != UNLABELLED) & np.isfinite(probabilities).all(axis=1)
    p, truth = probabilities[known], labels[known]
    n_classes = probabilities.shape[1]
    is_class = truth[:, np.newaxis] == np.arange(n_classes)
    confusion = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(confusion, (truth, p.argmax(axis=1)), 1)
    total = confusion.sum(axis=1)
    found = np.diagonal(confusion)[total > 0] / total[total > 0]
    several = len(found) >= 2
    reliability = [_reliability(p[:, k], is_class[:, k]) for k in range(n_classes)]
    mean_p, fraction, count = (np.array(rows) for rows in zip(*reliability, strict=True))
    return Score(
        n=len(truth),
        n_labelled_classes=len(found),
        accuracy=float(np.diagonal(confusion).sum() / total.sum()) if several else np.nan,
        majority_accuracy=float(total.max() / total.sum()) if several else np.nan,
        balanced_accuracy=float(found.mean()) if several else np.nan,
        brier=float(((p - is_class) ** 2).sum(axis=1).mean()) if len(p) else np.nan,
        confusion=confusion,
        reliability_p=mean_p,
        reliability_fraction=fraction,
        reliability_count=count,
    )


def _reliability(
    p: Floats, is_class: NDArray[np.bool_]
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    bins = np.minimum((p * RELIABILITY_BINS).astype(np.intp), RELIABILITY_BINS - 1)
    count, sum_p, sum_class = (
        np.bincount(bins, weights=weights, minlength=RELIABILITY_BINS)
        for weights in (None, p, is_class)
    )
    with np.errstate(invalid="ignore"):
        return sum_p / count, sum_class / count, count.astype(np.int64)
