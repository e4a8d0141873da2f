"""The Monte Carlo on a cluster: portions of draws are tasks, and their exact sums are added.

A task has the folder of the sample and the numbers of its draws; every worker reads the sample
once. The sums do not depend on how draws are divided, so results do not depend on the number of
workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import add
from pathlib import Path
from typing import TypeVar

from catalogs.parts import PartStore
from survey.classes.methods.forest_arrays import FlatForest, join_forests
from survey.classes.methods.registry import METHODS, FitOptions
from survey.classes.model import AppliedSums, Model, apply_model, grow_model_forest
from survey.classes.model_io import load_model
from survey.classes.monte_carlo import DrawSums, run_draws
from survey.classes.prediction import PredictionSums, TrainedSample, predict_draws, train_methods
from survey.classes.sample import LabelledSample, Method, Sample
from survey.config import ClassSettings
from survey.engine.cluster import Cluster, slots, started, warnings_of
from survey.engine.preflight.admission import admission
from survey.engine.submit import Task, run_tasks
from survey.engine.window import Window
from survey.pipeline.classification.sample import Used, labels_of, sample_of, sample_rows, used_in

PORTIONS_PER_SLOT = 8
DRAWS_PER_PORTION = 10
ROWS_PER_PORTION = 20_000
"""Bounds of a portion: small enough for the progress bar, large beside the overhead of Dask."""

MODEL_FILE = "model.skops"

TIMES_AS_MANY_TREES = 3
"""Of a forest that is grown once, for all draws, as of one that every draw grows."""

T = TypeVar("T")


@dataclass(frozen=True)
class Portion:
    """Some draws of a classification."""

    sample: Path
    settings: ClassSettings
    numbers: range


class MonteCarlo:
    """Runs the draws of one classification on a cluster.

    Parameters
    ----------
    cluster : Cluster
    sample : Path
        Folder of the part with the sample.
    settings : ClassSettings
    on_draws : callable
        Called with numbers of draws that are done.
    """

    def __init__(
        self,
        cluster: Cluster,
        sample: Path,
        settings: ClassSettings,
        on_draws: Callable[[int], None],
    ) -> None:
        self.cluster = cluster
        self.sample = sample
        self.settings = settings
        self.on_draws = on_draws

    def sums(self) -> DrawSums:
        """Sums of all draws in which labels are spread and forests grown."""
        return reduce(add, (result for _, result in self._results(_spread)))

    def predictions(self) -> PredictionSums:
        """Sums of all draws to which trained methods are applied."""
        return reduce(add, (result for _, result in self._results(_predict)))

    def forest(self) -> FlatForest:
        """One tree of every draw in which labels are spread, in their order."""
        portions = sorted(self._results(_grow), key=lambda portion: portion[0])
        return join_forests([forest for _, forest in portions])

    def applied(self) -> AppliedSums:
        """Probabilities by the model that is kept with the sample."""
        return reduce(add, (result for _, result in self._results(_apply)))

    def _results(self, function: Callable[[Portion], T]) -> Iterator[tuple[int, T]]:
        """First number and result of every portion, in the order in which they end."""
        n = self.settings.draws
        step = self._portion()
        tasks = [
            Task(f"draws from {start}", Portion(self.sample, self.settings, range(start, stop)))
            for start in range(0, n, step)
            for stop in [min(start + step, n)]
        ]
        client, warn = started(self.cluster), warnings_of(self.cluster)
        window = Window(2, queued=2 * slots(self.cluster))
        root = PartStore.of(self.sample.resolve()).root
        with admission(client, root, [], warn) as admitted:
            for ended in run_tasks(
                client, function, tasks, window=window, admitted=admitted, warn=warn
            ):
                if ended.error is not None:
                    raise ended.error
                numbers = ended.task.argument.numbers
                self.on_draws(len(numbers))
                yield numbers.start, ended.result

    def _portion(self) -> int:
        fair = math.ceil(self.settings.draws / (PORTIONS_PER_SLOT * slots(self.cluster)))
        n_rows = len(sample_rows(self.sample))
        return max(1, min(fair, DRAWS_PER_PORTION, ROWS_PER_PORTION // max(n_rows, 1)))


def method_of(settings: ClassSettings) -> Method:
    """The method of the settings."""
    return Method(**settings.model_dump(include=set(Method.__dataclass_fields__)))


def fit_options(settings: ClassSettings) -> FitOptions:
    """With what methods are fitted once."""
    trees = TIMES_AS_MANY_TREES * settings.trees
    return FitOptions(trees, settings.rows_per_tree, settings.seed)


@lru_cache(maxsize=1)
def labelled_sample(folder: Path, settings: ClassSettings) -> LabelledSample:
    """The labelled sample of a part, for training."""
    rows = sample_rows(folder)
    sample = sample_of(rows, used_in(folder), use_slope=settings.use_slope)
    return LabelledSample(sample, labels_of(rows), settings.classes)


@lru_cache(maxsize=1)
def trained_sample(folder: Path, settings: ClassSettings) -> TrainedSample:
    """All methods trained on the sample of a part; the same in every process."""
    return train_methods(labelled_sample(folder, settings), METHODS, fit_options(settings))


@lru_cache(maxsize=1)
def model_and_sample(folder: Path) -> tuple[Model, Sample]:
    """The model of a part, and the sample that it is applied to."""
    model = load_model((folder / MODEL_FILE).read_bytes(), file=str(folder / MODEL_FILE))
    used = Used(model.ratios, model.set)
    return model, sample_of(sample_rows(folder), used, use_slope=model.uses_slope)


def _predict(draws: Portion) -> PredictionSums:
    trained = trained_sample(draws.sample, draws.settings)
    return predict_draws(trained, draws.settings.method, draws.numbers, draws.settings.seed)


def _spread(draws: Portion) -> DrawSums:
    labelled = labelled_sample(draws.sample, draws.settings)
    return run_draws(labelled, method_of(draws.settings), draws.numbers, draws.settings.seed)


def _grow(draws: Portion) -> FlatForest:
    labelled = labelled_sample(draws.sample, draws.settings)
    method = method_of(draws.settings)
    return grow_model_forest(labelled, method, draws.numbers, draws.settings.seed)


def _apply(draws: Portion) -> AppliedSums:
    model, sample = model_and_sample(draws.sample)
    return apply_model(model, sample, draws.numbers, draws.settings.seed)
