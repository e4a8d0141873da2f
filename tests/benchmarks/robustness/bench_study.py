"""The study behind the defaults: every choice of the method against the truth.

Linkage, normalisation, shift, PSF, weights and cut (`study_ways.py`) are changed from the
defaults, one or two at a time. On cubes of known regions (`truth_cubes.py`) the score is the
adjusted Rand index with the true regions, of spaxels that are not mixed. On observed cubes, whose
truth is not known, it is the stability: the mean index of the clusters of either half of the
spaxels with those of all.

A way is compared with the default on the same cubes: printed are the mean difference and its
standard error. Defaults follow from the seeds `chosen`: another way becomes one if it wins there
by more than two standard errors, and again on the seeds `fresh`, on which nothing is chosen.

    python -m tests.benchmarks.robustness.bench_study [--cubes 24] [--changes 2] [--small] [--table]

A run that is interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from survey.errors import DataError
from survey.pipeline.galaxy.target import Target
from survey.validation.agreement import LEFT_OUT, adjusted_rand
from tests.benchmarks.kept import RESULTS, Kept, code_of
from tests.benchmarks.robustness.study_ways import FACTORS, Spaxels, Way, ways
from tests.benchmarks.truth.bench_truth_cut import DATA
from tests.benchmarks.truth.observed_emission import SPECTRA
from tests.benchmarks.truth.truth_cubes import (
    OBSERVED_SNR,
    SHAPE,
    SIMULATED_SNR,
    SMALL_SHAPE,
    TruthCase,
    make_cubes_of,
)

FIRST = {"chosen": 0, "fresh": 200}
"""Number of the first seed."""

CUBES, CHANGES, WORKERS = 24, 2, 2
STAGES = ("read", "prepare", "distances", "tree", "cut")
BENCHMARK = 1
"""Raised when cubes or scores change."""

OBSERVED = {
    "NGC 7469": (
        [f"mrs/NGC7469_Level3_ch4-{band}_s3d.fits.gz" for band in ("short", "medium", "long")],
        0.016317,
    ),
    "A478": (["muse/A478_minicube.fits.gz"], 0.086),
    "SAMI 209807": (["sami/209807_A_sectors_red.fits.gz"], 0.05),
}
"""Observed cubes with more than one cluster."""

Scores = dict[str, float]


@dataclass(frozen=True)
class StudyCase:
    """One cube, and the ways in which it is clustered."""

    case: TruthCase
    small: bool
    changes: int

    @property
    def name(self) -> str:
        """Of the file with its figures."""
        one = self.case
        size = "small" if self.small else "large"
        return f"{one.kind}-{one.seed}-{one.number}-{one.snr:g}-{size}-{self.changes}"


def cases_of(seeds: str, count: int, *, small: bool, changes: int) -> list[StudyCase]:
    """Simulated galaxies and two kinds of scenes of observed spectra, in turns."""
    return [StudyCase(case, small, changes) for case in islice(_truth_cases(seeds), count)]


def _truth_cases(seeds: str) -> Iterator[TruthCase]:
    number = 0
    while True:
        seed = FIRST[seeds] + number
        snr = SIMULATED_SNR[number % len(SIMULATED_SNR)]
        yield TruthCase("simulated", seed, snr, (4 * number + 1) % 15)
        if SPECTRA.is_dir():
            snr = OBSERVED_SNR[number // 2 % len(OBSERVED_SNR)]
            yield TruthCase(("blended", "painted")[number % 2], seed, snr)
        number += 1


def scored(study: StudyCase) -> Scores:
    """Index of every way with the true regions, by its name."""
    warnings.simplefilter("ignore")
    make_cubes_of(SMALL_SHAPE if study.small else SHAPE, small=study.small)
    with tempfile.TemporaryDirectory() as name:
        target, truth = study.case.make(Path(name))
        spaxels = Spaxels(target, Path(name) / "run")
        region = truth.region[spaxels.place].astype(int) + 1
        region[truth.mixed[spaxels.place]] = LEFT_OUT
        return {way.name: adjusted_rand(spaxels.labels(way), region) for way in ways(study.changes)}


def stability(name: str) -> Scores:
    """Agreement of halves of an observed cube with the whole, for every way with one change."""
    warnings.simplefilter("ignore")
    files, redshift = OBSERVED[name]
    with tempfile.TemporaryDirectory() as folder:
        target = Target(name, tuple(DATA / file for file in files), redshift)
        spaxels = Spaxels(target, Path(folder))
        return {way.name: _of_halves(spaxels, way) for way in ways(1)}


def _of_halves(spaxels: Spaxels, way: Way) -> float:
    """Mean index of two halves with the whole; NaN if that is one cluster, or nothing."""
    try:
        whole = spaxels.labels(way)
    except DataError:  # A PSF of this instrument is not known.
        return np.nan
    if whole.max() < 2:
        return np.nan
    order = np.random.default_rng(0).permutation(len(whole))
    halves = (np.sort(half) for half in np.array_split(order, 2))
    return float(np.mean([adjusted_rand(whole, spaxels.labels(way, half)) for half in halves]))


def compared(scores: Iterable[Scores]) -> pd.DataFrame:
    """Every way against the default on the same cubes: mean, difference, its standard error."""
    table = pd.DataFrame(list(scores))
    difference = table.sub(table["default"], axis=0)
    error = difference.std() / np.sqrt(difference.notna().sum())
    return pd.DataFrame(
        {"mean": table.mean(), "difference": difference.mean(), "error": error, "n": table.count()}
    )


def print_study(chosen: pd.DataFrame, fresh: pd.DataFrame, real: dict[str, Scores]) -> None:
    """The table from which the defaults follow, in Markdown."""
    print(f"| way | chosen (n = {_n(chosen)}) | fresh (n = {_n(fresh)}) | {' | '.join(real)} |")
    print("|" + "---|" * (3 + len(real)))
    for way in ways(1):
        row = [way.name, _cell(chosen, way.name), _cell(fresh, way.name)]
        row += [f"{scores.get(way.name, np.nan):.2f}" for scores in real.values()]
        print(f"| {' | '.join(row)} |")
    print()
    for title, names in (("chosen", chosen.index), ("fresh", fresh.index)):
        if not len(names):
            continue
        table = {"chosen": chosen, "fresh": fresh}[title]
        best = table.sort_values("difference", ascending=False).index[:4]
        print(f"best of {len(table)} ways on {title}: " + ", ".join(
            f"{name} ({_cell(chosen, name)}; fresh {_cell(fresh, name)})" for name in best
        ))  # fmt: skip
    winners = [name for name in chosen.index if _wins(chosen, name) and _wins(fresh, name)]
    print(f"better than the default by two standard errors on both: {', '.join(winners) or 'none'}")


def _n(table: pd.DataFrame) -> int:
    return int(table["n"].max()) if len(table) else 0


def _cell(table: pd.DataFrame, name: str) -> str:
    if name not in table.index:
        return "-"
    row = table.loc[name]
    if name == "default":
        return f"{row['mean']:.3f}"
    return f"{row['difference']:+.3f} ± {row['error']:.3f}"


def _wins(table: pd.DataFrame, name: str) -> bool:
    return name in table.index and bool(
        table.loc[name, "difference"] > 2 * table.loc[name, "error"] > 0
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not kept, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cubes", type=int, default=CUBES, help="of each kind of seeds")
    parser.add_argument("--changes", type=int, default=CHANGES, help="at once, of the defaults")
    parser.add_argument("--small", action="store_true", help="less sky, less spectrum")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--simulated-only", action="store_true", help="no observed cubes")
    parser.add_argument("--table", action="store_true", help="only of what is kept")
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers: one processor each
    workers = 0 if given.table else given.workers
    code = code_of(STAGES, BENCHMARK) + f", {FACTORS}"
    kept = Kept("study", code)
    tables = {}
    RESULTS.mkdir(exist_ok=True)
    for seeds in FIRST:
        cases = cases_of(seeds, given.cubes, small=given.small, changes=given.changes)
        found = kept.measured(cases, lambda case: case.name, scored, workers)
        scores = [scores for _, scores in found]
        tables[seeds] = compared(scores) if scores else pd.DataFrame(columns=["n"])
        tables[seeds].to_csv(RESULTS / f"study_{seeds}.csv")
    real: dict[str, Any] = {}
    if DATA.is_dir() and not given.simulated_only:
        real = dict(Kept("study_observed", code).measured(OBSERVED, _file_name, stability, workers))
    print_study(tables["chosen"], tables["fresh"], real)


def _file_name(name: str) -> str:
    return name.replace(" ", "_")


if __name__ == "__main__":
    main()
