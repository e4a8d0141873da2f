"""Classes with errors: trained methods applied to draws of the measurement.

The methods are trained on the clusters as measured; the errors come in at prediction. In one
draw the fluxes are perturbed within their errors, the predictors rebuilt, and every fit applied.
Draw number d is seeded by (seed, d), and sums are exact: draws may be made anywhere, in any order
and portions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import reduce
from operator import add

from threadpoolctl import threadpool_limits

from survey.classes.draw import draw_generator
from survey.classes.exact_sum import ExactSum
from survey.classes.methods.calibration import at_temperature
from survey.classes.methods.registry import FOREST, FitOptions, Forest
from survey.classes.sample import LabelledSample, Sample, Scaling
from survey.classes.training import Trained, scaled_predictors, train
from survey.classes.types import Floats, Floats32
from survey.errors import DataError


@dataclass(frozen=True)
class TrainedSample:
    """A labelled sample with its predictors (N, P), scaled, and the methods trained on it."""

    labelled: LabelledSample
    scaling: Scaling
    predictors: Floats32
    methods: Mapping[str, Trained]

    @property
    def forest(self) -> Trained:
        """The random forest, which is trained in every case."""
        return self.methods[FOREST]

    def out_of_bag(self, predictors: Floats32) -> Floats:
        """Probabilities (N, C) by the trees of the forest that have not seen a cluster."""
        fit = self.forest.whole
        assert isinstance(fit.classifier, Forest)
        return at_temperature(fit.classifier.out_of_bag(predictors), fit.temperature)


@dataclass(frozen=True)
class PredictionSums:
    """Sums over draws of probabilities (N, C), to be added to those of other draws.

    `p` and `p_held_out` are by the chosen method, `p_forest`, `p_forest_oob` and
    `p_forest_held_out` by the forest.
    """

    p: ExactSum
    p_held_out: ExactSum
    p_forest: ExactSum
    p_forest_oob: ExactSum
    p_forest_held_out: ExactSum

    def __add__(self, other: PredictionSums) -> PredictionSums:
        return PredictionSums(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        )


def train_methods(
    labelled: LabelledSample, methods: Iterable[str], options: FitOptions
) -> TrainedSample:
    """Train methods on a sample as measured; the forest always.

    Raises
    ------
    DataError
        If no predictor was measured.
    """
    with threadpool_limits(1):
        scaling, predictors = scaled_predictors(labelled)
        names = dict.fromkeys((*methods, FOREST))
        trained = {name: train(labelled, predictors, name, options) for name in names}
    return TrainedSample(labelled, scaling, predictors, trained)


def predict_draws(
    trained: TrainedSample, method: str, draws: Iterable[int], seed: int
) -> PredictionSums:
    """Apply a trained method and the forest in the draws of these numbers (one at least)."""
    chosen, forest = trained.methods[method], trained.forest

    def sums(number: int) -> PredictionSums:
        values = drawn_predictors(trained.labelled.sample, trained.scaling, number, seed)
        by_forest = forest.whole.probabilities(values), forest.held_out(values)
        if chosen is forest:
            by_method = by_forest
        else:
            by_method = chosen.whole.probabilities(values), chosen.held_out(values)
        return PredictionSums(
            p=ExactSum.of(by_method[0]),
            p_held_out=ExactSum.of(by_method[1]),
            p_forest=ExactSum.of(by_forest[0]),
            p_forest_oob=ExactSum.of(trained.out_of_bag(values)),
            p_forest_held_out=ExactSum.of(by_forest[1]),
        )

    with threadpool_limits(1):
        return reduce(add, map(sums, draws))


def drawn_predictors(sample: Sample, scaling: Scaling, number: int, seed: int) -> Floats32:
    """Scaled predictors (N, P) of the draw of this number."""
    return scaling(sample.draw(draw_generator(number, seed)))


def check_predictors(wanted: tuple[str, ...], sample: Sample) -> None:
    """Refuse a sample that a model does not fit.

    Raises
    ------
    DataError
        If it has other predictors than those wanted, or too few of them measured.
    """
    found = sample.predictors
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
