"""One Gaussian for every class, whose covariance is shrunk towards that of all classes.

The covariance of a class is a mean of its own and the common one, weighted by its number of labels
and `SHRINK_LABELS` (Friedman 1989, JASA 84, 165), plus a little in every direction. The classes
count alike. Errors of a cluster, if given, are added to the covariances: a poorly measured cluster
is less certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.classes.types import UNLABELLED, Floats, Floats32, Labels

SHRINK_LABELS = 10.0
FLOOR_VARIANCE = 0.3
"""Added to every variance of the scaled predictors, in units of their scatter, if labels are few.

Chosen on the archives 0 to 7 of tests/benchmarks/truth/bench_truth_classes.py, which have 38
labels: 0.05 has 0.015 less of the accuracy of three classes, 0.1 to 0.5 do alike.
"""

FEW_LABELS = 40
"""With more, the floor falls as the root of their number: with 1,400 0.05 is better by 0.009."""

PIECE = 20_000
"""Clusters at a time, to bound the memory."""


@dataclass(frozen=True)
class Mixture:
    """Means (C, P) and covariances (C, P, P) for scaled predictors; NaN for absent classes."""

    mean: Floats
    covariance: Floats

    def probabilities(self, predictors: Floats32 | Floats, errors: Floats | None = None) -> Floats:
        """Probabilities (N, C) of the classes, given standard errors (N, P) if there are any."""
        step = range(0, len(predictors), PIECE)
        parts = [
            self._of(predictors[k : k + PIECE], None if errors is None else errors[k : k + PIECE])
            for k in step
        ]
        return np.concatenate([np.empty((0, len(self.mean))), *parts])

    def _of(self, predictors: Floats32 | Floats, errors: Floats | None) -> Floats:
        n, size = predictors.shape
        log = np.full((n, len(self.mean)), -np.inf)
        for k in np.flatnonzero(self.present):
            covariance = np.broadcast_to(self.covariance[k], (n, size, size))
            if errors is not None:
                covariance = covariance + np.eye(size) * (errors**2)[:, np.newaxis, :]
            offset = (predictors - self.mean[k])[..., np.newaxis]
            distance = (offset * np.linalg.solve(covariance, offset)).sum(axis=(1, 2))
            log[:, k] = -(distance + np.linalg.slogdet(covariance)[1]) / 2
        p = np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    @property
    def present(self) -> NDArray[np.bool_]:
        """Classes (C,) that have labels."""
        return np.asarray(np.isfinite(self.mean).all(axis=1))

    @property
    def weights(self) -> Floats:
        """How far apart the classes are in each predictor alone (P,).

        Root mean square over pairs of the distance of their means, in units of the scatter within.
        """
        mean, covariance = self.mean[self.present], self.covariance[self.present]
        scatter = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2).mean(axis=0))
        i, j = np.triu_indices(len(mean), k=1)
        return np.asarray(np.sqrt(((mean[i] - mean[j]) ** 2).mean(axis=0)) / scatter)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The numbers, to be stored."""
        return {"mean": self.mean, "covariance": self.covariance}


def fit_mixture(predictors: Floats32 | Floats, labels: Labels, n_classes: int) -> Mixture:
    """Fit the labelled of N clusters by their scaled predictors (N, P)."""
    values = np.asarray(predictors, np.float64)
    size = values.shape[1]
    mean = np.full((n_classes, size), np.nan)
    scatter = np.zeros((n_classes, size, size))
    count = np.bincount(labels[labels != UNLABELLED], minlength=n_classes)
    for k in np.flatnonzero(count):
        members = values[labels == k]
        mean[k] = members.mean(axis=0)
        scatter[k] = (members - mean[k]).T @ (members - mean[k])
    freedom = max(count.sum() - np.count_nonzero(count), 1)
    common = scatter.sum(axis=0) / freedom
    shrunk = scatter + SHRINK_LABELS * common
    covariance = shrunk / (count + SHRINK_LABELS)[:, np.newaxis, np.newaxis]
    floor = FLOOR_VARIANCE * np.sqrt(min(1.0, FEW_LABELS / count.sum()))
    covariance = covariance + floor * np.eye(size)
    return Mixture(mean, np.where(count[:, np.newaxis, np.newaxis] > 0, covariance, np.nan))


def mixture_from_arrays(
    arrays: Mapping[str, object], *, n_predictors: int, n_classes: int
) -> Mixture:
    """A mixture from stored arrays.

    Raises
    ------
    ValueError
        If they are not those of so many predictors and classes.
    """
    mean, covariance = (np.asarray(arrays.get(name)) for name in ("mean", "covariance"))
    shapes = (n_classes, n_predictors), (n_classes, n_predictors, n_predictors)
    if (mean.shape, covariance.shape) != shapes or {mean.dtype.kind, covariance.dtype.kind} != {
        "f"
    }:
        raise ValueError("means and covariances do not fit the predictors and classes")
    found = Mixture(mean, covariance)
    present = covariance[found.present]
    if len(present) < 2 or not np.isfinite(present).all():
        raise ValueError("means and covariances are not finite")
    if not (np.linalg.eigvalsh(present) > 0).all():
        raise ValueError("a covariance has no positive variance in some direction")
    return found
