"""A trained model: classifiers, the scaling of their predictors, and a card that describes it.

A model of labels that are spread has a forest with one tree of every draw of the Monte Carlo, which
includes the errors of the training sample; other models have the method of choice and a forest,
both trained on the sample as measured. Errors of other clusters are drawn when a model is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from survey.classes.diagrams import Diagram
from survey.classes.draw import make_draw, scaling_of
from survey.classes.exact_sum import ExactSum
from survey.classes.methods.calibration import Calibrated
from survey.classes.methods.forest import GrownTree
from survey.classes.methods.forest_arrays import FlatForest, flatten
from survey.classes.methods.registry import FOREST, Forest
from survey.classes.prediction import TrainedSample, check_predictors, drawn_predictors
from survey.classes.predictors import SLOPE, Predictor
from survey.classes.ratios import Ratio
from survey.classes.sample import LATENT, LabelledSample, Method, PredictorSample, Sample, Scaling


@dataclass(frozen=True)
class ModelCard:
    """What a model was made of and how good it is, to be read by people.

    `scores` are balanced accuracies by the way they were measured, `versions` those of
    packages, `date` is in ISO 8601. `latent_model` is the hash of the representation whose
    latents are among the predictors, empty if none are.
    """

    galaxies: tuple[str, ...]
    n_clusters: int
    n_labelled: int
    method: Mapping[str, Any]
    scores: Mapping[str, float]
    versions: Mapping[str, str]
    date: str
    latent_model: str = ""


@dataclass(frozen=True)
class Model:
    """A classifier of clusters, applied to samples with its predictors.

    Attributes
    ----------
    card : ModelCard
    classes : tuple of str
    ratios : tuple of Ratio
        Of the diagrams; the predictors too where `set` is empty.
    set : tuple of Predictor
        Empty for a model of log ratios, with limits as one-sided distributions.
    scaling : Scaling
    method : str
        The one that classes are by; a key of `fits`.
    fits : mapping of Calibrated
        By method; a forest is always among them.
    diagrams : tuple of Diagram
        Where the classes of the training sample lie, for others to be drawn upon.
    """

    card: ModelCard
    classes: tuple[str, ...]
    ratios: tuple[Ratio, ...]
    set: tuple[Predictor, ...]
    scaling: Scaling
    method: str
    fits: Mapping[str, Calibrated]
    diagrams: tuple[Diagram, ...]

    @property
    def uses_slope(self) -> bool:
        """Whether the continuum slope is one of the predictors."""
        return SLOPE in self.scaling.predictors

    @property
    def n_latents(self) -> int:
        """How many latents are among the predictors."""
        return sum(name.startswith(LATENT) for name in self.scaling.predictors)


@dataclass(frozen=True)
class AppliedSums:
    """Sums over draws of probabilities (N, C), by the method of a model and by its forest."""

    p: ExactSum
    p_forest: ExactSum

    def __add__(self, other: AppliedSums) -> AppliedSums:
        return AppliedSums(self.p + other.p, self.p_forest + other.p_forest)


def grow_model_forest(
    labelled: LabelledSample, method: Method, draws: Iterable[int], seed: int
) -> FlatForest:
    """Grow one tree in each of these draws; `join_forests` makes one of several portions."""
    scaling = scaling_of(labelled)
    trees: list[GrownTree] = []
    with threadpool_limits(1):
        for number in draws:
            draw = make_draw(labelled, method, scaling, number, seed)
            trees += draw.grow(draw.spread(labelled.labels), 1)
    return flatten(trees)


def make_model(
    labelled: LabelledSample, forest: FlatForest, diagrams: Sequence[Diagram], card: ModelCard
) -> Model:
    """Make a model of a forest of spread labels, whose trees are in the order of their draws."""
    scaling = scaling_of(labelled)
    n = len(scaling.predictors)
    fit = Calibrated(
        Forest(forest, np.full(n, np.nan), np.empty((0, len(forest.roots)), dtype=bool)), 1.0
    )
    return Model(
        card=card,
        classes=labelled.classes,
        ratios=labelled.sample.ratios,
        set=(),
        scaling=scaling,
        method=FOREST,
        fits={FOREST: fit},
        diagrams=tuple(diagrams),
    )


def model_of(
    trained: TrainedSample, method: str, diagrams: Sequence[Diagram], card: ModelCard
) -> Model:
    """Make a model of methods trained on a sample as measured."""
    labelled = trained.labelled
    assert isinstance(labelled.sample, PredictorSample)
    return Model(
        card=card,
        classes=labelled.classes,
        ratios=labelled.sample.ratios,
        set=labelled.sample.set,
        scaling=trained.scaling,
        method=method,
        fits={name: trained.methods[name].whole for name in dict.fromkeys((method, FOREST))},
        diagrams=tuple(diagrams),
    )


def apply_model(model: Model, sample: Sample, draws: Iterable[int], seed: int) -> AppliedSums:
    """Probabilities (N, C) of the classes, summed over these draws (one at least).

    `survey.classes.results.most_probable` makes classes of them, given `sample.informed`.

    Raises
    ------
    DataError
        If the sample has other predictors than the model, or too few of them measured.
    """
    check_predictors(model.scaling.predictors, sample)
    chosen, forest = model.fits[model.method], model.fits[FOREST]

    def sums(number: int) -> AppliedSums:
        values = drawn_predictors(sample, model.scaling, number, seed)
        by_forest = forest.probabilities(values)
        by_method = by_forest if chosen is forest else chosen.probabilities(values)
        return AppliedSums(ExactSum.of(by_method), ExactSum.of(by_forest))

    return reduce(add, map(sums, draws))
