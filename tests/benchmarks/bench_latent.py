"""Representations of X-ray spectra side by side: what eight numbers keep of a spectrum.

8,400 simulated detections of eight classes, all methods, 4 to 16 latents, three seeds; then
the autoencoder without one or other of its parts, and the hardness ratios of real sources, where
there are tables of them. Results of single jobs are kept in `bench-latent/`: a run that was
stopped goes on. Timings are not kept.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from accuracy import balanced_accuracy
from table import Line, print_table

from survey.latents.evaluation.benchmark import BenchmarkPlan, Job, Summary, evaluate, summarise
from survey.latents.models.autoencoder import TransformerAutoencoder
from survey.latents.report.table import write_evaluation
from survey.latents.run.benchmark_sets import observed_responses, simulated_benchmark
from survey.latents.spectra import SpectrumSet
from survey.latents.xray.catalog_tables import agn_or_compact, read_catalog_table
from survey.latents.xray.simulate import SimulatedXray, simulate_xray

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "bench-latent"
TABLES = ROOT / ".." / "shared" / "data" / "csc"
SPECTRA = ROOT / ".." / "shared" / "data" / "xray"
N_SPECTRA = 8400
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


def simulated() -> SimulatedXray:
    """Sources through the responses of observed spectra, where these are."""
    real = observed_responses(SPECTRA) if SPECTRA.is_dir() else None
    return simulate_xray(N_SPECTRA, seed=1, responses=real)


def evaluated(folder: Path = FOLDER) -> list[Summary]:
    """Evaluate everything, print the short table, and leave tables and figures in the folder."""
    data = simulated_benchmark(simulated())
    plan = BenchmarkPlan(parameters={"autoencoder": {"epochs": EPOCHS}})
    start = time.perf_counter()

    def tell(job: Job, cached: bool) -> None:
        if not cached:
            print(f"  {time.perf_counter() - start:7.0f} s  {job.name}", flush=True)

    records = evaluate(data, plan, folder / "jobs", on_job=tell)
    print("\n".join(write_evaluation(data, plan, records, folder)))
    return summarise(records)


def measure(found: list[Summary], spectra: SpectrumSet) -> Iterator[Line]:
    """The goals on simulations, and the time of a training."""

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
    yield Line(f"minutes to train on {N_SPECTRA} spectra x {EPOCHS} epochs, one thread",
               minutes, 6.0)  # fmt: skip


def ablated(folder: Path = FOLDER) -> Iterator[Line]:
    """What the autoencoder of eight latents is without some of its parts, for one seed."""
    data = simulated_benchmark(simulated())
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
    found = evaluated()
    spectra = simulated().spectra
    met = print_table("Representations of simulated X-ray spectra", measure(found, spectra))
    print_table("The autoencoder without some of its parts", ablated())
    return print_table("Real sources, by hardness ratios alone", real_sources()) and met


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
