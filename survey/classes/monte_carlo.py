"""The Monte Carlo: classes of the clusters over many simulated repetitions of the measurement.

In one draw the fluxes are perturbed, the ratios computed, the labels spread and a forest grown. It
gives three kinds of probability, each less optimistic than the one before:

`p`           by all trees, also those grown from the cluster;
`p_oob`       out of bag: by trees that were not grown from the cluster, though from others of its
              galaxy, and after its label was spread;
`p_held_out`  by trees that were grown without its galaxy, whose labels were not spread.

For the last, each draw holds out one galaxy (or one fold of galaxies, if there are more than
`MAX_FOLDS`) and grows a fifth as many trees without it.

Draw number d is seeded by (seed, d), and sums are exact. So draws may be made anywhere, in any
order and portions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from survey.classes.draw import Draw, make_draw, scaling_of
from survey.classes.exact_sum import ExactSum
from survey.classes.methods.forest import GrownTree, probabilities
from survey.classes.sample import LabelledSample, Method
from survey.classes.types import UNLABELLED, Bools, Floats

MAX_FOLDS = 20

SIDE_SHARE = 5
"""Held-out galaxies and permutations get one in so many trees."""

MAX_PERMUTED = 512
"""Most labelled clusters that permutation importance is measured with."""


@dataclass(frozen=True)
class DrawSums:
    """Sums over draws, to be added to those of other draws.

    Attributes
    ----------
    p, p_oob, p_held_out : ExactSum (N, C)
        Probabilities of the classes.
    reached : ExactSum (N,)
        Whether a label reached the cluster.
    importance : ExactSum (P,)
        Share of each predictor in the decrease of the Gini impurity.
    permutation : ExactSum (P,)
        By how much the out-of-bag probability of the right class falls when the values of
        the predictor are shuffled. It is small if another predictor has the same information.
    """

    p: ExactSum
    p_oob: ExactSum
    p_held_out: ExactSum
    reached: ExactSum
    importance: ExactSum
    permutation: ExactSum

    def __add__(self, other: DrawSums) -> DrawSums:
        return DrawSums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def run_draws(
    labelled: LabelledSample, method: Method, draws: Iterable[int], seed: int
) -> DrawSums:
    """Make the draws of these numbers (at least one) one after the other, on one thread.

    Raises
    ------
    DataError
        If no predictor was measured.
    """
    scaling, galaxy = scaling_of(labelled), labelled.sample.galaxy
    with threadpool_limits(1):
        return reduce(
            add,
            (
                _sums_of(make_draw(labelled, method, scaling, d, seed), _held_out(galaxy, d))
                for d in draws
            ),
        )


def _sums_of(draw: Draw, held_out: Bools) -> DrawSums:
    labels, method = draw.labelled.labels, draw.method
    side_trees = max(1, method.trees // SIDE_SHARE)
    reached = draw.spread(labels)
    trees = draw.grow(reached, method.trees)
    p, p_oob = probabilities(trees, draw.predictors)
    return DrawSums(
        p=ExactSum.of(p),
        p_oob=ExactSum.of(p_oob),
        p_held_out=ExactSum.of(_held_out_probabilities(draw, held_out, side_trees)),
        reached=ExactSum.of(reached != UNLABELLED),
        importance=ExactSum.of(np.mean([tree.importances for tree in trees], axis=0)),
        permutation=ExactSum.of(_fall_when_shuffled(draw, trees[:side_trees])),
    )


def _held_out_probabilities(draw: Draw, held_out: Bools, trees: int) -> Floats:
    """Probabilities (N, C) of the clusters held out, NaN for the others.

    NaN for all if the remaining clusters do not have two classes.
    """
    n_classes = len(draw.labelled.classes)
    found = np.full((len(held_out), n_classes), np.nan)
    known = np.where(held_out, UNLABELLED, draw.labelled.labels)
    others = np.where(held_out, UNLABELLED, draw.spread(known)).astype(np.int32)
    if len(np.unique(others[others != UNLABELLED])) >= 2:
        grown = draw.grow(others, trees)
        found[held_out] = probabilities(grown, draw.predictors)[0][held_out]
    return found


def _held_out(galaxy: NDArray[np.integer], draw: int) -> Bools:
    """Clusters of the galaxies that this draw holds out."""
    galaxies, position = np.unique(galaxy, return_inverse=True)
    folds = min(len(galaxies), MAX_FOLDS)
    return np.asarray(position % folds == draw % folds)


def _fall_when_shuffled(draw: Draw, trees: list[GrownTree]) -> Floats:
    """Mean fall (P,) of the probability that trees give the label of clusters not seen."""
    predictors, labels, rng = draw.predictors, draw.labelled.labels, draw.rng
    rows = np.flatnonzero(labels != UNLABELLED)
    if len(rows) > MAX_PERMUTED:
        rows = rng.choice(rows, MAX_PERMUTED, replace=False)
    n, n_predictors = len(rows), predictors.shape[1]
    versions = np.repeat(predictors[np.newaxis, rows], 1 + n_predictors, axis=0)
    for k in range(n_predictors):
        versions[1 + k, :, k] = rng.permutation(versions[0, :, k])

    fall, count = np.zeros(n_predictors), 0
    for tree in trees:
        unseen = tree.unseen(len(predictors))[rows]
        found = tree.probabilities(versions.reshape(-1, n_predictors))
        right = found.reshape(1 + n_predictors, n, -1)[:, np.arange(n), labels[rows]]
        fall += (right[0] - right[1:])[:, unseen].sum(axis=1)
        count += int(unseen.sum())
    return fall / count if count else np.full(n_predictors, np.nan)
