"""Are the verdicts of `survey validate` right? Answers for simulated galaxies of known truth.

Cubes of known regions (`truth_cubes.py`) are run and validated as in a survey. The truth of a
galaxy is the adjusted Rand index of its adopted partition with the true regions, of spaxels that
are not mixed; that of a cluster its largest Jaccard index with one of them. Rows are added to a CSV
as they are made; galaxies that it has are left out. From it

    python -m tests.benchmarks.robustness.bench_validation --judge

counts the wrong verdicts with the packaged thresholds (`catalogs/data/validation.toml`), which were
chosen on the seeds `chosen`; nothing was chosen on the seeds `fresh`.

    nice python -m tests.benchmarks.robustness.bench_validation [--seeds chosen|fresh] [--counted]

With `--counted` only the questions are asked on which verdicts depend; with `--small` cubes have
24 by 24 spaxels, and simulated galaxies a quarter of the spectrum.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from catalogs.part_tables import read_part_table
from catalogs.validation.columns import ROBUST, SENSITIVE, VERDICT_QUESTION
from catalogs.validation.thresholds import packaged_thresholds
from survey.config import build_settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.validation.partitioned import partitioned
from survey.validation.agreement import adjusted_rand, best_jaccard
from survey.validation.answers import Answer, measure_answers
from survey.validation.variants import QUESTIONS
from survey.validation.verdicts import judge
from tests.benchmarks.truth.truth_cubes import SMALL_SHAPE, TruthCase, make_cubes_of

SHAPE = (28, 28)
"""Smaller than the cubes of other benchmarks: about the field of MIRI/MRS channel 3."""

WRONG_IF_ROBUST, WRONG_IF_SENSITIVE = 0.6, 0.8
"""True index below which `robust` is wrong, and above which `sensitive` is."""

RESULTS = Path("bench") / "validation.csv"
SNR = {"simulated": (8.0, 12.0, 20.0, 30.0, 50.0, 100.0), "observed": (8.0, 20.0, 40.0, 80.0)}
GALAXIES = 24
FIRST = {"chosen": 0, "fresh": 200}
"""Number of the first seed."""


def cases(seeds: str) -> Iterator[TruthCase]:
    """Three simulated galaxies, then a scene of observed spectra, and so on without end."""
    number = 0
    while True:
        seed = FIRST[seeds] + number // 4
        if number % 4 < 3:
            yield TruthCase("simulated", seed, SNR["simulated"][number % 6], (7 * number + 1) % 15)
        else:
            kind = ("blended", "painted")[number // 4 % 2]
            yield TruthCase(kind, seed, SNR["observed"][number // 8 % 4])
        number += 1


def validate_case(case: TruthCase, folder: Path, questions: Collection[str]) -> pd.DataFrame:
    """All answers about one galaxy, with its truth and the time that they took."""
    target, truth = case.make(folder)
    galaxy = GalaxyRunner(target, build_settings({}), folder / "run")
    start = time.process_time()
    part = galaxy.result()
    own_s = time.process_time() - start
    galaxy.get("read")
    start = time.process_time()
    found = partitioned(galaxy, part)
    answers = measure_answers(found, questions)
    validation_s = time.process_time() - start
    spaxels = read_part_table(part, "spaxels").to_pandas()
    spaxels = spaxels[spaxels["cluster"] > 0]
    y, x = spaxels["y"].to_numpy(), spaxels["x"].to_numpy()
    labels = spaxels["cluster"].to_numpy()
    region = truth.region[y, x].astype(int) + 1
    clear = ~truth.mixed[y, x]
    of_clear, true_clear = np.where(clear, labels, 0), np.where(clear, region, 0)
    jaccard = np.full(found.k + 1, np.nan)
    of_clusters = best_jaccard(of_clear, true_clear)
    jaccard[1 : len(of_clusters) + 1] = of_clusters
    common = {
        "case": f"{case.kind}-{case.seed}-{case.number}-{case.snr:g}",
        "true_ari": adjusted_rand(of_clear, true_clear),
        "true_ari_all": adjusted_rand(labels, region),
        "n_region": len(np.unique(region[clear])),
        "k": found.k,
        "n_spaxel": len(labels),
        "snr_median": float(np.median(found.data.snr)),
        "own_s": own_s,
        "validation_s": validation_s,
    }
    rows = [
        common
        | {
            "question": one.question,
            "variant": one.variant,
            "cluster": one.cluster,
            "value": one.value,
            "null": " ".join(f"{value:.4f}" for value in one.null),
            "true_jaccard": jaccard[one.cluster],
        }
        for one in answers
    ]
    return pd.DataFrame(rows)


def judged(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The verdicts on the galaxies of a CSV and on their clusters by the packaged thresholds."""
    galaxies: list[dict[str, Any]] = []
    clusters: list[dict[str, Any]] = []
    for name, of_case in table.groupby("case", sort=False):
        answers = [
            Answer(
                row["question"],
                row["variant"],
                "",
                row["value"],
                tuple(float(value) for value in str(row["null"]).split() if value != "nan"),
                row["cluster"],
            )
            for row in of_case.to_dict("records")
        ]
        found = judge(answers, packaged_thresholds())
        left = {one.answer.question: one.answer.value for one in found if not one.answer.cluster}
        facts, verdict = of_case.iloc[0], found[-1]
        galaxies.append(
            {
                "case": name,
                "seeds": facts["seeds"],
                "true index": facts["true_ari"],
                "k": facts["k"],
                "stability": verdict.answer.value,
                "unexplained": left["separation"],
                "mixtures": left["mixtures"],
                "verdict": verdict.verdict,
                "cost": facts["validation_s"] / facts["own_s"],
            }
        )
        jaccard = of_case[of_case["question"] == "clusters"].set_index("cluster")["true_jaccard"]
        clusters += [
            {
                "seeds": facts["seeds"],
                "true index": jaccard[one.answer.cluster],
                "verdict": one.verdict,
            }
            for one in found
            if one.answer.question == VERDICT_QUESTION and one.answer.cluster and facts["k"] > 1
        ]
    columns = ["seeds", "true index", "verdict"]  # also where every galaxy is one cluster
    return pd.DataFrame(galaxies), pd.DataFrame(clusters, columns=columns)


def count_wrong(table: pd.DataFrame) -> None:
    """Print the verdicts, and how many are wrong."""
    galaxies, clusters = judged(table)
    print(galaxies.sort_values("true index").to_string(index=False, float_format="{:.2f}".format))
    for seeds in galaxies["seeds"].unique():
        for what, rows in (("galaxies", galaxies), ("clusters", clusters)):
            print(f"{seeds}: {_wrong(rows[rows['seeds'] == seeds], what)}")
        cost = galaxies[galaxies["seeds"] == seeds]["cost"]
        print(f"{seeds}: median cost {cost.median():.1f} times its own")


def _wrong(rows: pd.DataFrame, what: str) -> str:
    robust, sensitive = (rows[rows["verdict"] == verdict] for verdict in (ROBUST, SENSITIVE))
    return (
        f"{len(rows)} {what}; robust {len(robust)}, of which "
        f"{int((robust['true index'] < WRONG_IF_ROBUST).sum())} have a true index below "
        f"{WRONG_IF_ROBUST}; sensitive {len(sensitive)}, of which "
        f"{int((sensitive['true index'] > WRONG_IF_SENSITIVE).sum())} have one above "
        f"{WRONG_IF_SENSITIVE}; no verdict {len(rows) - len(robust) - len(sensitive)}"
    )


def _counted() -> tuple[str, ...]:
    """The questions that count in the stability of a galaxy, or variants of which do."""
    questions = packaged_thresholds().questions
    return tuple(
        name
        for name in QUESTIONS
        for asked in [questions[name]]
        if asked.counts or any(one.counts for one in asked.variants.values())
    )


def main() -> None:
    """Add what is missing to the CSV, or judge it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", choices=FIRST, default="chosen")
    parser.add_argument("--counted", action="store_true")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--galaxies", type=int, default=GALAXIES)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--judge", action="store_true")
    given = parser.parse_args()
    if given.judge:
        count_wrong(pd.read_csv(given.out))
        return
    make_cubes_of(SMALL_SHAPE if given.small else SHAPE, small=given.small)
    questions = _counted() if given.counted else QUESTIONS
    given.out.parent.mkdir(parents=True, exist_ok=True)
    done = set(pd.read_csv(given.out)["case"]) if given.out.exists() else set()
    for case in islice(cases(given.seeds), given.galaxies):
        name = f"{case.kind}-{case.seed}-{case.number}-{case.snr:g}"
        if name in done:
            continue
        start = time.time()
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = validate_case(case, Path(folder), questions)
        rows.insert(0, "seeds", given.seeds)
        rows.to_csv(given.out, mode="a", header=not given.out.exists(), index=False)
        first, seconds = rows.iloc[0], time.time() - start
        print(
            f"{name}: true index {first['true_ari']:.2f}, k {first['k']}, {seconds:.0f} s "
            f"(own {first['own_s']:.1f} s, validation {first['validation_s']:.1f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
