"""A method fitted to the labels of a survey, and again without each galaxy that has labels.

The second kind of fit gives probabilities with the galaxy held out, the only ones that say how good
the classes of a new galaxy are; the temperature of the probabilities; and the errors of importances
(jackknife: Efron & Tibshirani 1993, chapter 11).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from survey.classes.methods.calibration import Calibrated, fit_temperature
from survey.classes.methods.registry import METHODS, Classifier, FitOptions, can_be_learnt
from survey.classes.sample import LabelledSample, Scaling, fit_scaling
from survey.classes.types import UNLABELLED, Bools, Floats, Floats32, Ints, Labels

MAX_FOLDS = 20
SHUFFLES = 20
MAX_PERMUTED = 512
"""Most labelled clusters that permutation importance is measured with."""

NO_FOLD = -1


@dataclass(frozen=True)
class Trained:
    """A method fitted to all labels, and without each fold of galaxies.

    Attributes
    ----------
    method : str
    whole : Calibrated
    folds : array (N,)
        The fold of every cluster; `NO_FOLD` in galaxies without labels, which no fit has seen.
    without : tuple of Calibrated or None
        Fits without each fold; None where the others have fewer than two classes.
    """

    method: str
    whole: Calibrated
    folds: Ints
    without: tuple[Calibrated | None, ...]

    def held_out(self, predictors: Floats32) -> Floats:
        """Probabilities (N, C) of the sample by fits that have not seen the galaxy; or NaN."""
        found = np.full((len(predictors), len(self.whole.probabilities(predictors[:1])[0])), np.nan)
        for number, rows in self._rows():
            fit = self.whole if number == NO_FOLD else self.without[number]
            if fit is not None:
                found[rows] = fit.probabilities(predictors[rows])
        return found

    def _rows(self) -> list[tuple[int, Bools]]:
        return [(int(number), self.folds == number) for number in np.unique(self.folds)]


@dataclass(frozen=True)
class Importances:
    """How much each of P predictors matters to a method.

    Attributes
    ----------
    share, share_std : array (P,)
        Share of the weights of the method, and its error: jackknife over galaxies.
    permutation, permutation_std : array (P,)
        Fall of the held-out probability of the right class when values are shuffled among the
        labelled clusters; mean and standard deviation over shuffles.
    coefficient, coefficient_std : array (C, P)
        Of a logistic regression, with jackknife errors; NaN for other methods.
    """

    share: Floats
    share_std: Floats
    permutation: Floats
    permutation_std: Floats
    coefficient: Floats
    coefficient_std: Floats


def scaled_predictors(labelled: LabelledSample) -> tuple[Scaling, Floats32]:
    """The scaling of a sample as measured, and its scaled predictors (N, P)."""
    values = labelled.sample.measured()
    scaling = fit_scaling(values, labelled.sample.predictors)
    return scaling, scaling(values)


def train(
    labelled: LabelledSample, predictors: Floats32, method: str, options: FitOptions
) -> Trained:
    """Fit a method of `METHODS` to the labels of clusters with measurements.

    Parameters
    ----------
    labelled : LabelledSample
    predictors : array (N, P)
        Scaled, and complete.
    method : str
    options : FitOptions
    """
    entry = METHODS[method]
    labels = labels_to_learn(labelled)
    folds = folds_of(labelled.sample.galaxy, labels)
    n_classes = len(labelled.classes)

    def fit_without(number: int) -> Classifier | None:
        others = np.where(folds == number, UNLABELLED, labels).astype(np.int32)
        if not can_be_learnt(others):
            return None
        return entry.fit(predictors, others, n_classes, options)

    whole = entry.fit(predictors, labels, n_classes, options)
    without = [fit_without(number) for number in range(folds.max() + 1)]

    def calibrated(temperature: float) -> Trained:
        fits = [None if fit is None else Calibrated(fit, temperature) for fit in without]
        return Trained(method, Calibrated(whole, temperature), folds, tuple(fits))

    raw = calibrated(1.0).held_out(predictors)
    return calibrated(fit_temperature(raw, labels, entry.temperature))


def labels_to_learn(labelled: LabelledSample) -> Labels:
    """Labels (N,) of the clusters with measurements."""
    return np.where(labelled.sample.informed, labelled.labels, UNLABELLED).astype(np.int32)


def folds_of(galaxy: NDArray[np.integer], labels: Labels) -> Ints:
    """The fold (N,) of every cluster: one for each galaxy that has labels, at most `MAX_FOLDS`."""
    with_labels = np.unique(galaxy[labels != UNLABELLED])
    number = {int(name): k % MAX_FOLDS for k, name in enumerate(with_labels)}
    return np.array([number.get(int(name), NO_FOLD) for name in galaxy], dtype=np.intp)


def importances(
    trained: Trained, predictors: Floats32, labels: Labels, rng: np.random.Generator
) -> Importances:
    """Importances of the predictors (N, P) for labels (N,), with errors."""
    fits = [fit for fit in trained.without if fit is not None]
    share = _share(trained.whole.weights)
    shares = [_share(fit.weights) for fit in fits]
    coefficient = _coefficient(trained.whole)
    fall = _fall_when_shuffled(trained, predictors, labels, rng)
    return Importances(
        share=share,
        share_std=_jackknife(shares, share.shape),
        permutation=fall.mean(axis=0),
        permutation_std=fall.std(axis=0, ddof=1),
        coefficient=coefficient,
        coefficient_std=_jackknife([_coefficient(fit) for fit in fits], coefficient.shape),
    )


def _share(weights: Floats) -> Floats:
    return weights / weights.sum() if weights.sum() > 0 else weights


def _coefficient(fit: Calibrated) -> Floats:
    """Coefficients (C, P) at the temperature of the probabilities; (0, P) for other methods."""
    found = getattr(fit.classifier, "coefficient", np.empty((0, len(fit.weights))))
    return np.asarray(found) / fit.temperature


def _jackknife(values: list[Floats], shape: tuple[int, ...]) -> Floats:
    """Standard errors from values without each fold; NaN for fewer than two."""
    n = len(values)
    if n < 2:
        return np.full(shape, np.nan)
    return np.asarray(np.sqrt((n - 1) * np.var(values, axis=0)))


def _fall_when_shuffled(
    trained: Trained, predictors: Floats32, labels: Labels, rng: np.random.Generator
) -> Floats:
    """Fall (S, P) of the held-out probability of the labels, for every shuffle."""
    rows = np.flatnonzero((labels != UNLABELLED) & (trained.folds != NO_FOLD))
    if len(rows) > MAX_PERMUTED:
        rows = rng.choice(rows, MAX_PERMUTED, replace=False)
    part = replace(trained, folds=trained.folds[rows])
    values, right = predictors[rows], labels[rows]

    def p_right(changed: Floats32) -> Floats:
        return np.asarray(part.held_out(changed)[np.arange(len(rows)), right])

    before = p_right(values)
    fall = np.full((SHUFFLES, values.shape[1]), np.nan)
    known = np.isfinite(before)
    if not known.any():
        return fall
    for number, k in np.ndindex(*fall.shape):
        changed = values.copy()
        changed[:, k] = rng.permutation(changed[:, k])
        fall[number, k] = (before - p_right(changed))[known].mean()
    return fall
