"""All scores of one representation, on sources that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from survey.latents.evaluation.downstream_tasks import (
    FEWEST,
    Finding,
    Halves,
    by_chance,
    regression,
    shuffled_by_source,
    supervised,
    unsupervised,
)
from survey.latents.evaluation.labelled import LabelledSpectra
from survey.latents.evaluation.metrics import (
    divergence,
    held_out_deviance,
    mutual_information,
    relative_error,
)
from survey.latents.grid import Floats
from survey.latents.models.base import Representation
from survey.latents.spectra import Bools, SpectrumSet
from survey.latents.uncertainty import coverage_of_halves, coverage_of_repeats

COUNT_RANGES = ((0, 100), (100, 1000), (1000, np.inf))
"""Total counts of the spectra for which divergences are given apart."""

MOST_FOR_INFORMATION = 1000
MOST_FOR_COVERAGE = 800
FEW_FOR_COVERAGE = 60
"""Of methods that take long to encode a spectrum."""

PERMUTATIONS = 60


def judge_representation(
    model: Representation, data: LabelledSpectra, known: Bools, new: Bools, seed: int, *,
    controls: bool = True, uncertainties: bool = True,
) -> Iterator[Finding]:  # fmt: skip
    """Everything that can be said with the labels there are.

    Parameters
    ----------
    model : Representation
        Fitted to the known spectra.
    data : LabelledSpectra
    known, new : array (n,) of bool
        What tasks learn from, and what judges them.
    seed : int
    controls : bool
        Whether to judge shuffled labels, noise alone and mutual information too.
    uncertainties : bool
        Whether to judge the errors of latents too.
    """
    latents = Halves(
        model.transform(data.spectra.rows(known)), model.transform(data.spectra.rows(new))
    )
    judges = data.rows(new)
    yield from _reconstruction(model, judges, seed)
    yield from _downstream_scores(latents, data, known, new, seed)
    yield from _at_equal_counts(model, latents, data, known, new, seed)
    if controls:
        yield from _information(latents.new, judges, seed)
        yield from _controls(model, latents, data, known, new, seed)
    if uncertainties:
        yield from _coverage(model, judges, seed)


def judge_chance(
    data: LabelledSpectra, known: Bools, new: Bools, how: str, seed: int
) -> Iterator[Finding]:
    """What rules achieve that look at nothing."""
    for name, labels in data.labels().items():
        yield from by_chance(labels[known], labels[new], name, how, seed)


def judge_confounders(
    data: LabelledSpectra, known: Bools, new: Bools, seed: int
) -> Iterator[Finding]:
    """Scores of predictions from the confounders alone, such as counts and off-axis angle."""
    if not data.confounders:
        return
    circumstances = np.nan_to_num(np.stack(list(data.confounders.values()), axis=1))
    latents = Halves(circumstances[known], circumstances[new])
    without = replace(data, confounders={})
    yield from _downstream_scores(latents, without, known, new, seed)


def _downstream_scores(
    latents: Halves, data: LabelledSpectra, known: Bools, new: Bools, seed: int
) -> Iterator[Finding]:
    for name, labels in data.labels().items():
        yield from supervised(latents, labels[known], labels[new], name, seed)
        yield from unsupervised(latents, labels[known], labels[new], name, seed)
    for name, target in data.targets.items():
        yield from regression(latents, target.values[known], target.values[new], name, seed)
    for name, values in data.confounders.items():
        yield from regression(latents, values[known], values[new], name, seed, "confounder")


def _at_equal_counts(
    model: Representation, latents: Halves, data: LabelledSpectra, known: Bools, new: Bools,
    seed: int,
) -> Iterator[Finding]:  # fmt: skip
    """Classes and confounders by latents as they would be at equal counts."""
    if model.calibration_ is None or model.calibration_.equal is None:
        return
    totals = data.spectra.totals
    alike = Halves(
        model.at_equal_counts(latents.known, totals[known]),
        model.at_equal_counts(latents.new, totals[new]),
    )
    for name, labels in data.labels().items():
        for one in supervised(alike, labels[known], labels[new], name, seed):
            yield replace(one, task="equal counts")
    for name, values in data.confounders.items():
        yield from regression(alike, values[known], values[new], name, seed, "equal counts")


def _reconstruction(model: Representation, judges: LabelledSpectra, seed: int) -> Iterator[Finding]:
    deviance = held_out_deviance(model, judges.spectra, seed)
    yield Finding("reconstruction", "other half", "deviance per bin", float(deviance.mean()))
    if judges.expected is None:
        return
    if judges.spectra.kind == "flux":
        error = relative_error(judges.expected, model.expected(judges.spectra))
        yield Finding("reconstruction", "truth", "relative error", float(error.mean()))
        return
    far = divergence(judges.expected, model.expected(judges.spectra))
    yield Finding("reconstruction", "truth", "KL", float(far.mean()))
    yield Finding("reconstruction", "truth", "KL, median", float(np.median(far)))
    totals = judges.spectra.totals
    for low, high in COUNT_RANGES:
        inside = (totals >= low) & (totals < high)
        if inside.any():
            name = f"truth, {low:g} to {high:g} counts"
            yield Finding("reconstruction", name, "KL", float(far[inside].mean()))
    if judges.expected_source is not None:
        shape = model.seen_shapes(judges.spectra, model.transform(judges.spectra))
        far = divergence(judges.expected_source, shape)
        yield Finding("reconstruction", "truth without background", "KL", float(far.mean()))


def _information(latents: Floats, judges: LabelledSpectra, seed: int) -> Iterator[Finding]:
    """Of one spectrum of each source, so that sources can be exchanged."""
    _, first = np.unique(judges.spectra.sources, return_index=True)
    for name, values in judges.variability.items():
        rows = first[np.isfinite(values[first])][:MOST_FOR_INFORMATION]
        if len(rows) < FEWEST:
            continue
        found = mutual_information(
            latents[rows], values[rows], permutations=PERMUTATIONS, seed=seed
        )
        task = "mutual information"
        yield Finding(task, name, "largest, nats", found.largest)
        yield Finding(task, name, "of chance, mean", found.null_mean)
        yield Finding(task, name, "of chance, 95%", found.null_95)
        yield Finding(task, name, "p value", found.p_value)


def _controls(
    model: Representation, latents: Halves, data: LabelledSpectra, known: Bools, new: Bools,
    seed: int,
) -> Iterator[Finding]:  # fmt: skip
    """What is found where there is nothing to find."""
    rng = np.random.default_rng([seed, 3])
    noise = noise_alone(model, data.spectra, rng) if data.spectra.kind == "counts" else None
    for name, labels in data.labels().items():
        shuffled = shuffled_by_source(labels[known], data.spectra.sources[known], rng)
        for one in supervised(latents, shuffled, labels[new], name, seed):
            yield replace(one, task="control: shuffled labels")
        if noise is None:
            continue
        blind = model.transform(noise)
        for one in supervised(
            Halves(blind[known], blind[new]), labels[known], labels[new], name, seed
        ):
            yield replace(one, task="control: noise alone")


def noise_alone(
    model: Representation, spectra: SpectrumSet, rng: np.random.Generator
) -> SpectrumSet:
    """Spectra of the same numbers of counts and backgrounds, all of the mean shape."""
    background = model.background_.expected(spectra)
    shape = np.where(spectra.mask, model.mean_shape_ * model.relative(spectra), 0.0)
    shape /= np.maximum(shape.sum(axis=1, keepdims=True), 1e-300)
    source = np.maximum(spectra.totals - background.sum(axis=1), 0)[:, np.newaxis] * shape
    return replace(spectra, values=rng.poisson(source + background).astype(np.float64))


def _coverage(model: Representation, judges: LabelledSpectra, seed: int) -> Iterator[Finding]:
    chosen: NDArray[np.intp] = np.random.default_rng([seed, 4]).permutation(len(judges))
    some = judges.rows(chosen[: MOST_FOR_COVERAGE if model.calibrated else FEW_FOR_COVERAGE])
    found = coverage_of_halves(model, some.spectra, seed=seed)
    yield Finding("uncertainty", "halves", "share within 1 sigma", found)
    if some.expected is not None and some.spectra.kind == "counts":
        share = coverage_of_repeats(model, some.spectra, some.expected, seed=seed)
        yield Finding(
            "uncertainty", "new observations", "share within 1 sigma", float(share.mean())
        )
        totals = some.spectra.totals
        for low, high in COUNT_RANGES:
            inside = (totals >= low) & (totals < high)
            if inside.any():
                name = f"new observations, {low:g} to {high:g} counts"
                yield Finding(
                    "uncertainty", name, "share within 1 sigma", float(share[inside].mean())
                )
