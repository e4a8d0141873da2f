"""A trained model: a forest, the scaling of its predictors, and a card that describes it.

The forest has one tree of every draw of the Monte Carlo, which includes the errors of the training
sample. Errors of other clusters are drawn when the model is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from threadpoolctl import threadpool_limits

from survey.classes.diagrams import Diagram
from survey.classes.draw import draw_generator, make_draw, scaling_of
from survey.classes.exact_sum import ExactSum
from survey.classes.forest import GrownTree
from survey.classes.forest_arrays import FlatForest, flatten
from survey.classes.ratios import Ratio
from survey.classes.sample import LATENT, SLOPE, LabelledSample, Method, Sample, Scaling
from survey.errors import DataError


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
    """A classifier of clusters, applied to samples with its ratios (and slope and latents, if any).

    `diagrams` show where the classes of the training sample lie, for others to be drawn upon.
    """

    card: ModelCard
    classes: tuple[str, ...]
    ratios: tuple[Ratio, ...]
    scaling: Scaling
    forest: FlatForest
    diagrams: tuple[Diagram, ...]

    @property
    def uses_slope(self) -> bool:
        """Whether the continuum slope is one of the predictors."""
        return SLOPE in self.scaling.predictors

    @property
    def n_latents(self) -> int:
        """How many latents are among the predictors."""
        return sum(name.startswith(LATENT) for name in self.scaling.predictors)


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
    """Make a model of a forest whose trees are in the order of their draws."""
    return Model(
        card=card,
        classes=labelled.classes,
        ratios=labelled.sample.ratios,
        scaling=scaling_of(labelled),
        forest=forest,
        diagrams=tuple(diagrams),
    )


def apply_model(model: Model, sample: Sample, draws: Iterable[int], seed: int) -> ExactSum:
    """Probabilities (N, C) of the classes, summed over these draws (one at least).

    `survey.classes.results.most_probable` makes classes of them, given `sample.informed`.

    Raises
    ------
    DataError
        If the sample has other predictors than the model, or too few of them measured.
    """
    _check_fit(model, sample)

    def probabilities(number: int) -> ExactSum:
        values = sample.draw(draw_generator(number, seed))
        return ExactSum.of(model.forest.probabilities(model.scaling(values)))

    return reduce(add, map(probabilities, draws))


def _check_fit(model: Model, sample: Sample) -> None:
    wanted, found = model.scaling.predictors, sample.predictors
    if wanted != found:
        missing = [name for name in wanted if name not in found]
        surplus = [name for name in found if name not in wanted]
        raise DataError(
            "the model was trained on other predictors",
            expected=", ".join(missing) or "the same ones in another order",
            found=", ".join(surplus) or "none in their place",
            advice="Measure the predictors of the model, or train a model on these.",
        )
    if not sample.informed.any():
        raise DataError(
            "no cluster has enough of the predictors of the model",
            expected=", ".join(wanted),
            found="most of them not measured in any cluster",
            advice="Choose a model trained on the same wavelength range.",
        )
