"""The results of a classification: classes with probabilities, importances and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from survey.classes.exact_sum import ExactSum
from survey.classes.methods.registry import FOREST, LOGISTIC, MIXTURE
from survey.classes.monte_carlo import DrawSums
from survey.classes.prediction import PredictionSums, TrainedSample
from survey.classes.sample import LabelledSample
from survey.classes.scores import Score, score
from survey.classes.training import Importances, importances
from survey.classes.types import UNLABELLED, Bools, Floats, Labels

MIN_REACHED = 0.5
"""A cluster that labels reach in fewer of the draws is not classified."""

UNCERTAIN_SIGMA = 1.0
"""A class is uncertain if its margin is below this many of its standard deviations."""

UNCERTAIN_BELOW = 0.6
"""A class is uncertain if its probability is below this: right six times in ten."""

IN_SAMPLE, OUT_OF_BAG, HELD_OUT = "in-sample", "out-of-bag", "galaxy-held-out"


@dataclass(frozen=True)
class Classes:
    """The classes of N clusters.

    Attributes
    ----------
    label : array (N,)
        Most probable class, or `UNLABELLED`.
    p, p_std : array (N, C)
        Mean and standard deviation over the draws; NaN where not classified.
    margin : array (N,)
        Probability of the class less that of the next.
    uncertain : bool array (N,)
        The margin is within its error, or the probability of the class is below
        `UNCERTAIN_BELOW`.
    """

    label: Labels
    p: Floats
    p_std: Floats
    margin: Floats
    uncertain: Bools


@dataclass(frozen=True)
class Outcome:
    """A classified sample.

    Attributes
    ----------
    classes : tuple of str
        What the columns of probabilities (N, C) mean.
    method : str
        Which method `found` is by.
    found, forest : Classes
        By the method of choice, and by a random forest, which may be the same.
    p_forest_oob, p_held_out : array (N, C)
        Of the forest out of bag, and of the method with the galaxy held out; NaN where never
        measured.
    reached : array (N,)
        Fraction of the draws in which a label arrived; NaN where labels are not spread.
    overruled : bool array (N,)
        The class is not that of the region.
    predictors : tuple of str
        What the importances (P,) are of.
    importances : mapping
        By method.
    scores : mapping
        By method and the way of measuring: `IN_SAMPLE`, `OUT_OF_BAG` (forests alone) and
        `HELD_OUT`.
    """

    classes: tuple[str, ...]
    method: str
    found: Classes
    forest: Classes
    p_forest_oob: Floats
    p_held_out: Floats
    reached: Floats
    overruled: Bools
    predictors: tuple[str, ...]
    importances: Mapping[str, Importances]
    scores: Mapping[tuple[str, str], Score]


def conclude(labelled: LabelledSample, sums: DrawSums) -> Outcome:
    """Turn the sums of draws with spreading and a forest in each into classes and scores."""
    labels, reached = labelled.labels, sums.reached.mean
    classified = reached >= MIN_REACHED
    found = most_probable(sums.p, classified)
    p_oob, p_held_out = (_where(classified, total.mean) for total in (sums.p_oob, sums.p_held_out))
    no_coefficients = np.empty((0, len(labelled.sample.predictors)))
    return Outcome(
        classes=labelled.classes,
        method=FOREST,
        found=found,
        forest=found,
        p_forest_oob=p_oob,
        p_held_out=p_held_out,
        reached=reached,
        overruled=_overruled(found, labels),
        predictors=labelled.sample.predictors,
        importances={
            FOREST: Importances(
                share=sums.importance.mean,
                share_std=sums.importance.std,
                permutation=sums.permutation.mean,
                permutation_std=sums.permutation.std,
                coefficient=no_coefficients,
                coefficient_std=no_coefficients,
            )
        },
        scores={
            (FOREST, IN_SAMPLE): score(found.p, labels),
            (FOREST, OUT_OF_BAG): score(p_oob, labels),
            (FOREST, HELD_OUT): score(p_held_out, labels),
        },
    )


def conclude_trained(
    trained: TrainedSample, method: str, sums: PredictionSums, seed: int
) -> Outcome:
    """Turn the sums of draws of trained methods into classes and scores.

    Scores of the method and the forest are of probabilities averaged over draws; those of
    methods that were not chosen are of the clusters as measured.
    """
    labelled, labels = trained.labelled, trained.labelled.labels
    informed = labelled.sample.informed
    found, forest = (most_probable(p, informed) for p in (sums.p, sums.p_forest))
    p_held_out, p_oob, forest_held_out = (
        _where(informed, total.mean)
        for total in (sums.p_held_out, sums.p_forest_oob, sums.p_forest_held_out)
    )
    scores = {
        (method, IN_SAMPLE): score(found.p, labels),
        (method, HELD_OUT): score(p_held_out, labels),
        (FOREST, IN_SAMPLE): score(forest.p, labels),
        (FOREST, OUT_OF_BAG): score(p_oob, labels),
        (FOREST, HELD_OUT): score(forest_held_out, labels),
    }
    for name in (LOGISTIC, MIXTURE):
        if name != method and name in trained.methods:
            other = trained.methods[name].held_out(trained.predictors)
            scores[name, HELD_OUT] = score(_where(informed, other), labels)
    rng = np.random.default_rng(seed)
    return Outcome(
        classes=labelled.classes,
        method=method,
        found=found,
        forest=forest,
        p_forest_oob=p_oob,
        p_held_out=p_held_out,
        reached=np.full(len(labels), np.nan),
        overruled=_overruled(found, labels),
        predictors=labelled.sample.predictors,
        importances={
            name: importances(trained.methods[name], trained.predictors, labels, rng)
            for name in dict.fromkeys((method, FOREST))
        },
        scores=scores,
    )


def most_probable(p: ExactSum, classified: Bools) -> Classes:
    """Classes from probabilities (N, C) summed over draws, where they are to be trusted."""
    mean, std = _where(classified, p.mean), _where(classified, p.std)
    order = np.argsort(np.nan_to_num(mean), axis=1, kind="stable")[:, ::-1]
    first, second = order[:, :1], order[:, 1:2]
    margin = _pick(mean, first) - _pick(mean, second)
    # Probabilities of two leading classes move against each other: their errors add.
    error = _pick(std, first) + _pick(std, second)
    certain = (margin > UNCERTAIN_SIGMA * error) & (_pick(mean, first) >= UNCERTAIN_BELOW)
    return Classes(
        label=np.where(classified, first[:, 0], UNLABELLED).astype(np.int32),
        p=mean,
        p_std=std,
        margin=margin,
        uncertain=classified & ~certain,
    )


def _overruled(found: Classes, labels: Labels) -> Bools:
    given = (labels != UNLABELLED) & (found.label != UNLABELLED)
    return np.asarray(given & (found.label != labels))


def _where(rows: Bools, values: Floats) -> Floats:
    return np.where(rows[:, np.newaxis], values, np.nan)


def _pick(values: Floats, column: np.ndarray) -> Floats:
    return np.take_along_axis(values, column, axis=1)[:, 0]
