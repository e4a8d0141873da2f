"""Does the cut find the true regions? The walk, and other ways to divide the same spectra.

Cubes of known regions (`truth_cubes.py`) are read and prepared as in a survey. Scores are the
adjusted Rand index with the true regions of all spaxels and of those that are not mixed, and the
part of the variance of the true shares of light that the clusters explain (eta squared). "Best k"
is the cut of a tree, of 1 to 14 clusters, with the largest index: it knows the truth. Of cubes with
one spectrum everywhere it is counted how many get more than one cluster, of observed cubes the
sizes of the clusters are printed.

Thresholds of the walk were chosen on the seeds `chosen`; nothing was chosen on the seeds `fresh`.

    python -m tests.benchmarks.truth.bench_truth_cut [--seeds chosen|fresh] [--workers 2]

A run that is interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits
from sklearn.metrics import adjusted_rand_score

from survey.clustering.criteria import partition
from survey.clustering.geometry import edge_of_field
from survey.clustering.walk.aligned import align_to_components
from survey.clustering.walk.walk import EDGE_SPAXELS, walk
from survey.config import Settings, build_settings
from survey.linkage.fastcluster import linkage_tree
from survey.pipeline.galaxy.clusters import cut_tree
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.tree import TreeResult, clustered_distances
from tests.benchmarks.kept import RESULTS, Kept, code_of
from tests.benchmarks.table import Line
from tests.benchmarks.truth.truth_cubes import (
    OBSERVED_SNR,
    Truth,
    TruthCase,
    observed_cases,
    simulated_cases,
    uniform_cases,
)
from tests.benchmarks.truth.truth_rivals import (
    CAPIVARA_K,
    capivara_tree,
    gaussian_mixture,
    hdbscan,
    k_means,
    principal_components,
)

SEEDS = {
    "chosen": {"simulated": range(3), "observed": range(6), "uniform": range(20)},
    "fresh": {
        "simulated": range(10, 13),
        "observed": range(10, 13),
        "uniform": range(20, 40),
    },
}
METHODS = ("average", "complete", "ward")
K_BEST = 14
WORKERS = 2
STAGES = ("read", "prepare", "distances", "tree", "cut")
BENCHMARK = 1
"""Raised when cubes or scores change."""

DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
OBSERVED = {
    "NGC 7469, ch4": (
        [f"mrs/NGC7469_Level3_ch4-{band}_s3d.fits.gz" for band in ("short", "medium", "long")],
        0.016317,
    ),
    "16 Cyg B, ch4-short": (["mrs/16CygB_Level3_ch4-short_s3d.fits.gz"], 0.0),
    "16 Cyg B, ch4-medium": (["mrs/16CygB_Level3_ch4-medium_s3d.fits.gz"], 0.0),
    "A478": (["muse/A478_minicube.fits.gz"], 0.086),
    "SAMI 209807, red": (["sami/209807_A_sectors_red.fits.gz"], 0.05),
    "SAMI 209807, blue": (["sami/209807_A_sectors_blue.fits.gz"], 0.05),
}
OBSERVED_KINDS = ("blended", "painted")
SIMULATED_GOALS = (
    ("ari", "index, all spaxels", 0.50),
    ("unmixed", "index, unmixed spaxels", 0.72),
    ("eta2", "eta squared", 0.68),
)
BINS = "BIN_MASK"
"""Extension of the SAMI cubes with the bins in which all spaxels have one spectrum."""

Row = dict[str, Any]


class Spaxels:
    """The prepared spectra of one cube, and everything that divides them."""

    def __init__(self, target: Target, folder: Path) -> None:
        runner = GalaxyRunner(target, Settings(), folder)
        self.cube, self.prepared = runner.get("read"), runner.get("prepare")
        start = time.process_time()
        runner.get("distances")
        self.distance_seconds = time.process_time() - start
        self.tree = TreeResult.load(runner.get("tree"))
        self.place = tuple(self.cube[axis].values[self.prepared.spaxels] for axis in "yx")
        start = time.process_time()
        self.aligned = align_to_components(
            self.prepared.spectra,
            self.prepared.max_shift,
            snr=self.prepared.snr,
            energy=self.tree.energy,
        )
        self.walked(self.tree)
        self.walk_seconds = time.process_time() - start

    def trees(self) -> dict[str, TreeResult]:
        """By method of linkage."""
        given = self.tree
        distances = clustered_distances(given.condensed, given.energy, Settings())
        return {method: replace(given, tree=linkage_tree(distances, method)) for method in METHODS}

    def walked(self, tree: TreeResult) -> np.ndarray:
        """Labels by the walk; spectra are aligned once for all trees."""
        field = np.zeros((self.cube.attrs["shape_y"], self.cube.attrs["shape_x"]), bool)
        field[self.place] = True
        return walk(tree.tree, self.aligned, edge_of_field(field, EDGE_SPAXELS)[self.place]).labels

    def silhouette(self, tree: TreeResult) -> np.ndarray:
        """Labels by the criterion of that name."""
        settings = build_settings({"cut": {"criterion": "silhouette"}})
        return cut_tree(self.cube, self.prepared, tree, settings).labels

    def divided(self) -> Iterator[tuple[str, np.ndarray | list[np.ndarray]]]:
        """Labels by every method, or those for every k of which the truth is to choose."""
        ks = range(1, K_BEST + 1)
        trees = self.trees()
        for method, tree in trees.items():
            yield f"walk, {method}", self.walked(tree)
        for method, tree in trees.items():
            yield f"silhouette, {method}", self.silhouette(tree)
        points = principal_components(self.aligned)
        yield "k-means, silhouette", k_means(points)
        yield "Gaussian mixture, BIC", gaussian_mixture(points)
        yield "HDBSCAN", hdbscan(points)
        theirs = capivara_tree(self.prepared.flux[:, self.prepared.is_compared])
        yield f"CAPIVARA, k = {CAPIVARA_K}", partition(theirs, CAPIVARA_K)
        for method, tree in trees.items():
            yield f"best k, {method}", [partition(tree.tree, k) for k in ks]
        yield "best k, CAPIVARA", [partition(theirs, k) for k in ks]


def judged(case: TruthCase) -> list[Row]:
    """Make a cube, divide it by every method, and score all."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        target, truth = case.make(Path(name))
        spaxels = Spaxels(target, Path(name) / "run")
        rows = []
        for method, labels in spaxels.divided():
            options = labels if isinstance(labels, list) else [labels]
            scores = [score(option, truth, spaxels.place) for option in options]
            best = max(scores, key=lambda found: found["ari"])
            best = {name: float(value) for name, value in best.items()}
            rows.append({"kind": case.kind, "seed": case.seed, "snr": case.snr,
                         "number": case.number, "method": method} | best)  # fmt: skip
    for row in rows:
        row["walk_over_distances"] = spaxels.walk_seconds / spaxels.distance_seconds
    return rows


def score(labels: np.ndarray, truth: Truth, place: tuple[np.ndarray, ...]) -> Row:
    """Against the truth at the places (y, x) of the spaxels."""
    region, pure, share = truth.region[place], ~truth.mixed[place], truth.share[:, *place].T
    left = sum(
        np.square(share[labels == label] - share[labels == label].mean(axis=0)).sum()
        for label in np.unique(labels)
    )
    total = np.square(share - share.mean(axis=0)).sum()
    return {
        "k": len(np.unique(labels)),
        "ari": adjusted_rand_score(region, labels),
        "unmixed": adjusted_rand_score(region[pure], labels[pure]),
        "eta2": 1 - left / total if total > 0 else np.nan,
    }


def observed_sizes(name: str) -> dict[str, Any]:
    """Sizes of the clusters of an observed cube, and which bins of one spectrum they split."""
    warnings.simplefilter("ignore")
    files, redshift = OBSERVED[name]
    with tempfile.TemporaryDirectory() as folder:
        target = Target(name, tuple(DATA / file for file in files), redshift)
        spaxels = Spaxels(target, Path(folder))
        labels = spaxels.walked(spaxels.tree)
    found: dict[str, Any] = {"sizes": np.sort(np.bincount(labels))[::-1].tolist()}
    with fits.open(target.files[0]) as hdus:
        if BINS in hdus:
            bins = hdus[BINS].data[spaxels.place]
            split = [one for one in np.unique(bins) if len(np.unique(labels[bins == one])) > 1]
            found |= {"bins": len(np.unique(bins)), "split": len(split)}
    return found


def print_scores(rows: pd.DataFrame) -> None:
    """One line for every method."""
    groups = {
        "simulated": rows[rows["kind"] == "simulated"],
        "observed spectra": rows[rows["kind"].isin(OBSERVED_KINDS)],
    }
    groups = {name: group for name, group in groups.items() if len(group)}
    uniform = rows[rows["kind"] == "uniform"]
    titles = [
        f"{name} ({group.groupby('method').size().iloc[0]})" for name, group in groups.items()
    ]
    columns = "all             unmixed  eta2   k   "
    print(f"{'':24}" + "".join(f"{title:38}" for title in titles) + "more than 1")
    print(f"{'':24}" + columns * len(groups) + f"cluster, of {uniform['seed'].nunique()}")
    for method in dict.fromkeys(rows["method"]):
        line = f"{method:24}"
        for group in groups.values():
            of = group[group["method"] == method]
            error = of["ari"].std(ddof=0) / np.sqrt(len(of))
            mean = of[["ari", "unmixed", "eta2", "k"]].mean()
            line += f"{mean['ari']:.3f} +- {error:.3f}  {mean['unmixed']:.3f}    "
            line += f"{mean['eta2']:.3f}  {mean['k']:4.1f} "
        wrong = (uniform["k"][uniform["method"] == method] > 1).sum()
        print(line + ("" if method.startswith("best") else f"{wrong:4d}"))
    for name, group in groups.items():
        for method, of in indices_by_snr(group).items():
            values = "  ".join(f"{snr:.0f}: {value:.2f}" for snr, value in of.items())
            print(f"index by S/N, {name}, {method}: {values}")
    ratio = rows["walk_over_distances"]
    print(f"processor time of the walk / of the distances: median {ratio.median():.2f}, "
          f"largest {ratio.max():.2f}")  # fmt: skip


def indices_by_snr(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Mean index of the walk, and of the best k of its tree and of any tree, by S/N."""
    cubes = ["kind", "seed", "snr", "number"]
    of_trees = rows[rows["method"].isin([f"best k, {method}" for method in METHODS])]
    return {
        "walk, average": _by_snr(rows[rows["method"] == "walk, average"]),
        "best k, average": _by_snr(rows[rows["method"] == "best k, average"]),
        "best k of three trees": _by_snr(of_trees.groupby(cubes, as_index=False)["ari"].max()),
    }


def _by_snr(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby("snr")["ari"].mean()


def cases_of(seeds: str) -> Iterator[TruthCase]:
    """All cubes that are made for some seeds."""
    of = SEEDS[seeds]
    yield from simulated_cases(of["simulated"])
    yield from observed_cases(of["observed"])
    yield from uniform_cases(of["uniform"])


def name_of(case: TruthCase) -> str:
    """Of the file that has the figures of a cube."""
    return f"{case.kind}-{case.seed}-{case.snr:g}-{case.number}"


def scores_of(seeds: str, workers: int = WORKERS) -> pd.DataFrame:
    """Scores of all methods on the cubes of some seeds, a row each, also in a table of CSV."""
    kept = Kept("truth_cut", code_of(STAGES, BENCHMARK))
    found = kept.measured(cases_of(seeds), name_of, judged, workers)
    rows = pd.DataFrame([row for _, scores in found for row in scores])
    RESULTS.mkdir(exist_ok=True)
    rows.to_csv(RESULTS / f"truth_cut_{seeds}.csv", index=False)
    return rows


def observed(workers: int = WORKERS) -> dict[str, dict[str, Any]]:
    """What `observed_sizes` finds, by name; nothing where there are no cubes."""
    if not DATA.is_dir():
        print(f"no observed cubes in {DATA}")
        return {}
    kept = Kept("truth_cut_observed", code_of(STAGES, BENCHMARK))
    return dict(kept.measured(OBSERVED, _file_name, observed_sizes, workers))


def _file_name(name: str) -> str:
    return name.replace(" ", "_").replace(",", "")


def main(seeds: str = "fresh", workers: int = WORKERS) -> None:
    """Measure, print the table and keep all scores in bench/truth_cut_SEEDS.csv."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers: one processor each
    print(f"\nThe cut against the truth, seeds {seeds!r}", flush=True)
    print_scores(scores_of(seeds, workers))
    for name, found in observed(workers).items():
        sizes = found["sizes"]
        bins = f"; of {found['bins']} bins {found['split']} are split" if "bins" in found else ""
        print(f"clusters of {name}, {len(sizes)}: {', '.join(map(str, sizes))}{bins}")


def goals(seeds: str, workers: int = WORKERS) -> Iterator[Line]:
    """What the walk with the default linkage is to reach."""
    rows = scores_of(seeds, workers)
    if rows.empty:
        return
    semi = rows[rows["kind"].isin(OBSERVED_KINDS)]
    by_snr = indices_by_snr(semi) if len(semi) else {}
    for best in ("best k, average", "best k of three trees"):
        for snr in OBSERVED_SNR:
            if snr not in by_snr.get(best, ()):
                continue
            walked = by_snr["walk, average"][snr]
            n = int((semi[semi["method"] == "walk, average"]["snr"] == snr).sum())
            yield Line(
                f"observed spectra, S/N {snr:.0f}: index / {best}",
                walked / by_snr[best][snr], 0.95, at_most=False, n=n,
                detail=f"({walked:.3f} / {by_snr[best][snr]:.3f})",
            )  # fmt: skip
    of_walk = rows[rows["method"] == "walk, average"]
    simulated = of_walk[of_walk["kind"] == "simulated"]
    best = rows[(rows["kind"] == "simulated") & (rows["method"] == "best k, average")]
    for column, name, goal in SIMULATED_GOALS if len(simulated) else ():
        error = simulated[column].std(ddof=0) / np.sqrt(max(len(simulated), 1))
        yield Line(
            f"simulations: {name}", simulated[column].mean(), goal, at_most=False,
            n=len(simulated),
            detail=f"(+-{error:.3f}; best k of its tree {best[column].mean():.3f})",
        )  # fmt: skip
    uniform = of_walk[of_walk["kind"] == "uniform"]
    if len(uniform):
        yield Line("cubes of one spectrum in more than one cluster",
                   int((uniform["k"] > 1).sum()), 0, n=len(uniform))  # fmt: skip
    cost = of_walk["walk_over_distances"]
    yield Line("time of the walk / of the distances, median", cost.median(), 1.0, n=len(cost))


def observed_goals(workers: int = WORKERS) -> Iterator[Line]:
    """What observed cubes are to show; nothing was chosen or left out."""
    found = observed(workers)
    stars = [len(one["sizes"]) for name, one in found.items() if name.startswith("16 Cyg B")]
    if stars:
        yield Line("clusters of the star 16 Cyg B, largest", max(stars), 1, n=len(stars))
    bins = [one for one in found.values() if "bins" in one]
    if bins:
        yield Line("bins of one spectrum of SAMI that are split", sum(one["split"] for one in bins),
                   0, n=sum(one["bins"] for one in bins))  # fmt: skip
    if (nucleus := found.get("NGC 7469, ch4")) is not None:
        yield Line("NGC 7469: clusters (nucleus, ring and disc apart)", len(nucleus["sizes"]), 3,
                   at_most=False, n=sum(nucleus["sizes"]),
                   detail=f"(spaxels: {nucleus['sizes']})")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", choices=tuple(SEEDS), default="fresh")
    parser.add_argument("--workers", type=int, default=WORKERS)
    main(**vars(parser.parse_args()))
