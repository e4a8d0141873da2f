"""Representations of X-ray spectra side by side: what eight numbers keep of a spectrum.

3,000 simulated sources of eight classes, as many as there are real ones with labels, one detection
of each, through observed responses where these are; all methods, eight latents, five seeds. Then
the same sources through every response, the autoencoder without one or other of its parts, and the
hardness ratios of real sources, where there are tables of them. `--sources` and `--seeds` make it
smaller. Results of single jobs are kept in `bench-latent/`, all methods of one seed first: a run
that was stopped goes on. Timings are not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from catalogs.durable import write_json
from survey.latents.evaluation.benchmark import (
    BenchmarkPlan,
    Job,
    Record,
    Summary,
    evaluate,
    fold,
    summarise,
)
from survey.latents.evaluation.labelled import LabelledSpectra
from survey.latents.models.autoencoder import TransformerAutoencoder
from survey.latents.models.model_io import load_model, model_hash
from survey.latents.report.table import write_evaluation
from survey.latents.run.benchmark_sets import observed_responses, simulated_benchmark
from survey.latents.spectra import SpectrumSet
from survey.latents.xray.acis import acis_like_response
from survey.latents.xray.catalog_tables import agn_or_compact, read_catalog_table
from survey.latents.xray.fold import Response
from survey.latents.xray.simulate import SimulatedXray, simulate_xray
from tests.benchmarks.latents.accuracy import balanced_accuracy
from tests.benchmarks.latents.through_responses import judge_responses
from tests.benchmarks.table import Line, print_table

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "bench-latent"
TABLES = ROOT / ".." / "shared" / "data" / "csc"
SPECTRA = ROOT / ".." / "shared" / "data" / "xray"
SOURCES, SEEDS, LATENTS = 3000, 5, 8
DETECTIONS_PER_SOURCE = 2.2
"""More than there are on average, so that enough are the first of their source."""

METHODS = (
    "majority", "stratified", "confounders", "hardness", "pca", "nmf", "autoencoder", "physical",
)  # fmt: skip
EPOCHS = 40
TIMED_EPOCHS = 2
ALL = "8 classes"
WITHOUT = {
    "nothing": {},
    "thinning (nine tenths are always seen)": {"thin_to": float("inf")},
    "hidden patches": {"hide": 0.0},
    "attention": {"layers": 0},
    "half of its width": {"width": 32, "hidden": 64},
    "most components": {"components": 8},
    "half of its epochs": {"epochs": EPOCHS // 2},
}
"""What is left out of the autoencoder in turn: the parameters that do it."""


def responses() -> list[Response]:
    """Those of observed spectra, where these are."""
    return observed_responses(SPECTRA) if SPECTRA.is_dir() else [acis_like_response()]


def simulated(sources: int, through: list[Response]) -> SimulatedXray:
    """One detection of each source, through a response at random."""
    found = simulate_xray(
        round(sources * DETECTIONS_PER_SOURCE), seed=1, responses=through, only_first=True
    )
    return found.rows(np.arange(min(sources, len(found.spectra))))


def evaluated(
    data: LabelledSpectra, seeds: int, methods: list[str], folder: Path, *, controls: bool
) -> list[Record]:
    """Evaluate everything, print the short table, and leave tables and figures in the folder."""
    start, records = time.perf_counter(), []

    def tell(job: Job, cached: bool) -> None:
        if not cached:
            print(f"  {time.perf_counter() - start:7.0f} s  {job.name}", flush=True)

    for seed in range(seeds):
        plan = BenchmarkPlan(
            methods, (LATENTS,), (seed,), parameters={"autoencoder": {"epochs": EPOCHS}},
            controls=controls,
        )  # fmt: skip
        records += evaluate(data, plan, folder / "jobs", on_job=tell)
        print("\n".join(write_evaluation(data, plan, records, folder)), flush=True)
    return records


def through_all(
    data: LabelledSpectra, sources: int, seeds: int, methods: list[str], folder: Path
) -> Iterator[Line]:
    """The same sources through every response: what latents tell of classes, and of the chip."""
    sets = [simulated(sources, [one]).spectra for one in responses()]
    for method in methods:
        found: dict[str, list[float]] = {}
        for seed in range(seeds):
            place = _place(folder, method, seed)
            if not (place / "model").is_dir():
                continue
            for name, value in _judged(place, data, sets, seed).items():
                found.setdefault(name, []).append(value)
        if found:
            mean = {name: float(np.mean(values)) for name, values in found.items()}
            detail = ", ".join(f"{name} {value:.3f}" for name, value in mean.items())
            yield Line(
                f"accuracy through {len(sets)} responses, largest less smallest, {method}",
                mean["largest less smallest"], 0.05, True,
                f"({detail}; {len(found['told'])} seeds)",
            )  # fmt: skip
            yield Line(f"response told from latents, above chance, {method}",
                       mean["told"] - mean["chance"], 0.05)  # fmt: skip


def _place(folder: Path, method: str, seed: int) -> Path:
    given = method in ("hardness", "physical")
    return folder / "jobs" / Job(method, None if given else LATENTS, seed).name


def _judged(
    place: Path, data: LabelledSpectra, sets: list[SpectrumSet], seed: int
) -> dict[str, float]:
    """Scores of one model, computed once."""
    kept, key = place / "responses.json", model_hash(place / "model")
    with contextlib.suppress(OSError, ValueError, KeyError):
        before = json.loads(kept.read_text())
        if before["key"] == key:
            return dict(before["found"])
    known, _ = fold(data, seed)
    findings = judge_responses(load_model(place / "model"), data, known, sets, seed)
    found = {one.metric: one.value for one in findings}
    write_json(kept, {"key": key, "found": found})
    return found


def measure(found: list[Summary], spectra: SpectrumSet) -> Iterator[Line]:
    """The goals on simulations, and the time of a training."""
    for method in ("pca", "nmf", "autoencoder"):
        yield from _nuisance(found, method)

    def mean(method: str, k: int, metric: str, target: str = ALL) -> float:
        (one,) = (
            s.mean for s in found
            if (s.method, s.latents, s.metric, s.target) == (method, k, metric, target)
            and s.task in ("supervised", "regression", "reconstruction", "unsupervised")
        )  # fmt: skip
        return one

    kl = {method: mean(method, 8, "KL", "truth") for method in ("pca", "nmf", "autoencoder")}
    yield Line("divergence from the truth / that of Poisson NMF, 8 latents",
               kl["autoencoder"] / kl["nmf"], 1.0)  # fmt: skip
    yield Line("divergence of PCA / that of the autoencoder, 8 latents",
               kl["pca"] / kl["autoencoder"], 8.0, at_most=False)  # fmt: skip
    for rule in ("forest", "logistic", "mixture votes"):
        accuracy = {m: mean(m, 8, rule) for m in ("pca", "nmf", "autoencoder")}
        hardness = mean("hardness", 3, rule)
        best = max(accuracy, key=lambda method: accuracy[method])
        detail = f"({accuracy['autoencoder']:.3f}; hardness {hardness:.3f}, best {best})"
        above, below = accuracy["autoencoder"] - hardness, accuracy[best] - accuracy["autoencoder"]
        yield Line(f"accuracy above hardness ratios, {rule}", above, 0.08, False, detail)
        yield Line(f"accuracy below the best method, {rule}", below, 0.03, True, detail)
    yield Line("R2 of log N_H", mean("autoencoder", 8, "R2, forest", "log N_H"), 0.85,
               at_most=False)  # fmt: skip
    minutes = minutes_of_training(spectra)
    yield Line(f"minutes to train on {len(spectra)} spectra x {EPOCHS} epochs, one thread",
               minutes, 6.0)  # fmt: skip


def _nuisance(found: list[Summary], method: str) -> Iterator[Line]:
    """Counts are none of the latents' business, and errors are right at any of them."""
    own = {(s.task, s.target, s.metric): s.mean for s in found
           if s.method == method and s.latents == LATENTS}  # fmt: skip
    if not own:
        return
    forest = own["supervised", ALL, "forest"] - own["equal counts", ALL, "forest"]
    detail = f"(by latents as they are {own['confounder', 'log counts', 'R2, forest']:.3f})"
    yield Line(f"R2 of log counts at equal counts, {method}",
               own["equal counts", "log counts", "R2, forest"], 0.4, True, detail)  # fmt: skip
    yield Line(f"accuracy lost by that, forest, {method}", forest, 0.02)
    for (task, target, _), share in own.items():
        if task == "uncertainty":
            yield Line(f"share within 1 sigma less 0.68, {target}, {method}",
                       abs(share - 0.68), 0.04, True, f"({share:.3f})")  # fmt: skip


def ablated(data: LabelledSpectra, folder: Path) -> Iterator[Line]:
    """What the autoencoder of eight latents is without some of its parts, for one seed."""
    whole: dict[str, float] = {}
    for name, parameters in WITHOUT.items():
        plan = BenchmarkPlan(
            methods=("autoencoder",), latents=(8,), seeds=(0,), controls=False,
            parameters={"autoencoder": {"epochs": EPOCHS} | parameters},
        )  # fmt: skip
        place = folder / "ablation" / "-".join(map(str, parameters)) if parameters else folder
        found = {
            (one.metric, one.target): one.mean
            for one in summarise(evaluate(data, plan, place / "whole"))
        }
        figures = {
            "KL": found["KL", "truth"],
            "forest": found["forest", ALL],
            "logistic": found["logistic", ALL],
            "votes": found["mixture votes", ALL],
            "R2 of log N_H": found["R2, forest", "log N_H"],
        }
        whole = whole or figures
        detail = ", ".join(f"{key} {value:.4f}" for key, value in figures.items())
        yield Line(f"divergence without {name} / whole", figures["KL"] / whole["KL"],
                   detail=f"({detail})")  # fmt: skip


def minutes_of_training(spectra: SpectrumSet) -> float:
    """Processor time of a training, from a few of its epochs."""
    model = TransformerAutoencoder(epochs=EPOCHS, validation=0.0)
    ticks: list[float] = []

    class Enough(Exception):
        pass

    def tick(epoch: object) -> None:
        ticks.append(time.process_time())
        if len(ticks) > TIMED_EPOCHS:
            raise Enough

    with contextlib.suppress(Enough):
        model.fit(spectra, progress=tick)
    return float(np.min(np.diff(ticks))) * EPOCHS / 60


def real_sources() -> Iterator[Line]:
    """What hardness ratios tell of real sources: the level that has to be beaten there."""
    for name in ("muwclass_TD.csv.gz", "CSCv2_TD_ave.csv.gz"):
        if not (TABLES / name).is_file():
            continue
        sources = read_catalog_table(TABLES / name)
        two, either = agn_or_compact(sources)
        for rule in ("logistic", "forest"):
            eight = balanced_accuracy(
                sources.hardness, sources.classes, sources.names, classifier=rule
            )
            pair = balanced_accuracy(
                sources.hardness[either], two[either], sources.names[either], classifier=rule
            )
            title = f"{name}, {rule}"
            yield Line(f"hardness ratios of real sources, 8 classes, {title}", eight.mean, 0.33,
                       at_most=False, detail=f"(+-{eight.std:.3f}; published 0.40)")  # fmt: skip
            yield Line(f"hardness ratios, AGN or compact, {title}", pair.mean, 0.66,
                       at_most=False, detail=f"(+-{pair.std:.3f}; published 0.69)")  # fmt: skip


def main() -> bool:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=SOURCES)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument(
        "--table-only", action="store_true", help="no controls, no ablation, no real sources"
    )
    given = parser.parse_args()
    folder = FOLDER if given.sources == SOURCES else FOLDER / f"{given.sources}"
    data = simulated_benchmark(simulated(given.sources, responses()))
    records = evaluated(data, given.seeds, given.methods, folder, controls=not given.table_only)
    through = through_all(data, given.sources, given.seeds, given.methods, folder)
    met = print_table("The same sources through all responses", through)
    if given.table_only:
        return met
    found = summarise(records)
    met &= print_table("Representations of simulated X-ray sources", measure(found, data.spectra))
    print_table("The autoencoder without some of its parts", ablated(data, folder))
    return print_table("Real sources, by hardness ratios alone", real_sources()) and met


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
