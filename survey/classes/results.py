"""The results of all draws: classes with probabilities, importances and scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.classes.exact_sum import ExactSum
from survey.classes.monte_carlo import DrawSums
from survey.classes.sample import LabelledSample
from survey.classes.scores import Score, score
from survey.classes.types import UNLABELLED, Bools, Floats, Labels

MIN_REACHED = 0.5
"""A cluster that labels reach in fewer of the draws is not classified."""

UNCERTAIN_SIGMA = 1.0
"""A class is uncertain if its margin is below this many of its standard deviations."""


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
        The margin is within its error.
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
    found : Classes
    p_oob, p_held_out : array (N, C)
        Out of bag, and with the galaxy held out; NaN where never measured.
    reached : array (N,)
        Fraction of the draws in which a label arrived.
    overruled : bool array (N,)
        The class is not that of the region.
    predictors : tuple of str
        What the importances (P,) are of; means and standard deviations over the draws.
    scores : dict
        "in-sample", "out-of-bag" and "galaxy-held-out", always together.
    """

    classes: tuple[str, ...]
    found: Classes
    p_oob: Floats
    p_held_out: Floats
    reached: Floats
    overruled: Bools
    predictors: tuple[str, ...]
    importance: Floats
    importance_std: Floats
    permutation: Floats
    permutation_std: Floats
    scores: dict[str, Score]


def conclude(labelled: LabelledSample, sums: DrawSums) -> Outcome:
    """Turn the sums of all draws into classes and scores."""
    labels, reached = labelled.labels, sums.reached.mean
    classified = reached >= MIN_REACHED
    found = most_probable(sums.p, classified)
    p_oob, p_held_out = (
        np.where(classified[:, np.newaxis], total.mean, np.nan)
        for total in (sums.p_oob, sums.p_held_out)
    )
    return Outcome(
        classes=labelled.classes,
        found=found,
        p_oob=p_oob,
        p_held_out=p_held_out,
        reached=reached,
        overruled=classified & (labels != UNLABELLED) & (found.label != labels),
        predictors=labelled.sample.predictors,
        importance=sums.importance.mean,
        importance_std=sums.importance.std,
        permutation=sums.permutation.mean,
        permutation_std=sums.permutation.std,
        scores={
            "in-sample": score(found.p, labels),
            "out-of-bag": score(p_oob, labels),
            "galaxy-held-out": score(p_held_out, labels),
        },
    )


def most_probable(p: ExactSum, classified: Bools) -> Classes:
    """Classes from probabilities (N, C) summed over draws, where they are to be trusted."""
    keep = classified[:, np.newaxis]
    mean, std = np.where(keep, p.mean, np.nan), np.where(keep, p.std, np.nan)
    order = np.argsort(np.nan_to_num(mean), axis=1, kind="stable")[:, ::-1]
    first, second = order[:, :1], order[:, 1:2]
    margin = _pick(mean, first) - _pick(mean, second)
    # Probabilities of two leading classes move against each other: their errors add.
    error = _pick(std, first) + _pick(std, second)
    return Classes(
        label=np.where(classified, first[:, 0], UNLABELLED).astype(np.int32),
        p=mean,
        p_std=std,
        margin=margin,
        uncertain=classified & ~(margin > UNCERTAIN_SIGMA * error),
    )


def _pick(values: Floats, column: np.ndarray) -> Floats:
    return np.take_along_axis(values, column, axis=1)[:, 0]
