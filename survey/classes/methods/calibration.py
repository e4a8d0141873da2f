"""Probabilities that mean what they say: one temperature for all classes.

    p_c -> p_c^(1/T) / sum_k p_k^(1/T)

T below 1 sharpens (Guo et al. 2017, ICML 70, 1321). It maximises the likelihood of the labels by
probabilities with the galaxy held out. A survey has labels in few galaxies, too few to measure T
well: the usual T of the method counts as much as a measurement to `USUAL_WITHIN` in its logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.classes.methods.registry import Classifier
from survey.classes.types import UNLABELLED, Floats, Floats32, Labels

TEMPERATURES = np.geomspace(0.4, 2.5, 61)
USUAL_WITHIN = 0.2
LEAST_P = 1e-6


@dataclass(frozen=True)
class Calibrated:
    """A classifier whose probabilities are brought to a temperature."""

    classifier: Classifier
    temperature: float

    def probabilities(self, predictors: Floats32) -> Floats:
        """Probabilities (N, C) by scaled predictors (N, P)."""
        return at_temperature(self.classifier.probabilities(predictors), self.temperature)

    @property
    def weights(self) -> Floats:
        """How much each predictor matters (P,)."""
        return self.classifier.weights

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The numbers of the classifier."""
        return self.classifier.arrays()


def at_temperature(p: Floats, temperature: float) -> Floats:
    """Probabilities (N, C) at a temperature; NaN stays NaN, zero stays zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(p) / temperature
        raised = np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def fit_temperature(p_held_out: Floats, labels: Labels, usual: float) -> float:
    """The most likely temperature of probabilities (N, C) for labels (N,), both where known."""
    known = (labels != UNLABELLED) & np.isfinite(p_held_out).all(axis=1)
    p, truth = np.maximum(p_held_out[known], LEAST_P), labels[known]
    rows = np.arange(len(truth))
    misfit = [
        -np.log(np.maximum(at_temperature(p, t)[rows, truth], LEAST_P)).sum()
        + (np.log(t / usual) / USUAL_WITHIN) ** 2 / 2
        for t in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(misfit))])
