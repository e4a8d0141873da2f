"""One draw of the Monte Carlo: predictors are perturbed, labels spread, and trees grown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.classes.methods.forest import GrownTree, grow_trees
from survey.classes.sample import LabelledSample, Method, Scaling, fit_scaling
from survey.classes.spread import Graph, similarity_graph, spread_labels
from survey.classes.types import UNLABELLED, Floats32, Labels


@dataclass(frozen=True)
class Draw:
    """A perturbed sample: one possible measurement of the clusters.

    Attributes
    ----------
    predictors : array (N, P)
        Scaled, and complete.
    graph : (N, N) array
        Similarities of the clusters in this draw.
    rng : Generator
        Random numbers of this draw.
    """

    labelled: LabelledSample
    method: Method
    predictors: Floats32
    graph: Graph
    rng: np.random.Generator

    def spread(self, labels: Labels) -> Labels:
        """Labels (N,) after spreading the given ones among clusters with measurements."""
        informed = self.labelled.sample.informed
        given = np.where(informed, labels, UNLABELLED).astype(np.int32)
        n_classes = len(self.labelled.classes)
        arrived = spread_labels(self.graph, given, n_classes, self.method.alpha)
        return np.where(informed, arrived, UNLABELLED).astype(np.int32)

    def grow(self, labels: Labels, trees: int) -> list[GrownTree]:
        """Trees grown from the clusters that have one of these labels."""
        return grow_trees(
            self.predictors,
            labels,
            n_classes=len(self.labelled.classes),
            trees=trees,
            rows_per_tree=self.method.rows_per_tree,
            rng=self.rng,
        )


def make_draw(
    labelled: LabelledSample, method: Method, scaling: Scaling, number: int, seed: int
) -> Draw:
    """Perturb the fluxes of a sample for the draw of this number."""
    rng = draw_generator(number, seed)
    predictors = scaling(labelled.sample.draw(rng))
    n, most = len(predictors), method.rows_per_graph
    candidates = np.sort(rng.choice(n, most, replace=False)) if n > most else None
    graph = similarity_graph(predictors, method, candidates)
    return Draw(labelled, method, predictors, graph, rng)


def draw_generator(number: int, seed: int) -> np.random.Generator:
    """Random numbers of one draw, independent of which other draws are made."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))


def scaling_of(labelled: LabelledSample) -> Scaling:
    """Scaling of the sample as measured, which all draws use."""
    return fit_scaling(labelled.sample.measured(), labelled.sample.predictors)
