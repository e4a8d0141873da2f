"""The table of `bench_scale`, made of the figures that its cases have left."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from survey.pipeline.galaxy.choose_tree_path import project_cost
from survey.pipeline.galaxy.costs import Work
from tests.benchmarks.table import Line

KS = range(2, 21)
"""Numbers of clusters at which partitions are compared."""

SCORED_KS = range(3, 13)
"""Those over which the agreement of two trees is averaged."""

SMALLEST_REGION = 0.01
"""Fraction of the spaxels below which a region of the truth does not count as a cluster."""

STAGES = ("read", "prepare", "distances", "tree", "profiles")


@dataclass(frozen=True)
class Result:
    """The figures of one case."""

    name: str
    facts: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @classmethod
    def read(cls, file: Path) -> Result:
        """Read what a case has left."""
        with np.load(file.with_suffix(".npz")) as arrays:
            return cls(file.stem, json.loads(file.read_text()), dict(arrays))

    @property
    def gib(self) -> float:
        """Peak memory."""
        return self.facts["peak_memory_bytes"] / 2**30

    @property
    def detail(self) -> str:
        """Seconds by stage."""
        parts = [f"{stage} {self.facts[f'seconds_{stage}']:.0f}" for stage in STAGES]
        return f"({self.facts['seconds']:.0f} s: {', '.join(parts)}; {self.facts['linkage_path']})"

    def partition(self, k: int) -> NDArray[Any]:
        """Labels at a cut into k clusters."""
        return self.arrays["partitions"][k - KS[0]]

    def agreement_with_truth(self) -> float:
        """Adjusted Rand index with the truth, at as many clusters as it has regions."""
        truth = self.arrays["truth"]
        known = truth > 0
        share = np.bincount(truth[known]) / known.sum()
        k = int(np.count_nonzero(share > SMALLEST_REGION))
        return float(adjusted_rand_score(truth[known], self.partition(k)[known]))

    def agreement_with(self, other: Result) -> float:
        """Mean adjusted Rand index with another tree over `SCORED_KS`, where both have spaxels."""
        place = [result.arrays["y"] * 10_000 + result.arrays["x"] for result in (self, other)]
        _, mine, theirs = np.intersect1d(*place, return_indices=True)
        scores = [
            adjusted_rand_score(self.partition(k)[mine], other.partition(k)[theirs])
            for k in SCORED_KS
        ]
        return float(np.mean(scores))


def lines(folder: Path) -> Iterator[Line]:
    """All lines that the cases in `folder` allow."""
    files = sorted(folder.glob("*.npz"))
    results = {file.stem: Result.read(file.with_suffix(".json")) for file in files}
    for result in results.values():
        yield from _memory(result)
    yield from _agreement(results)
    yield from _growth(results)
    if (medians := folder / "medians.json").exists():
        facts = json.loads(medians.read_text())
        yield Line(
            "medians of 50,000 x 3,700: peak memory in GiB",
            facts["peak_memory_bytes"] / 2**30,
            1.0,
            detail=f"({facts['seconds']:.0f} s; {facts['table_bytes'] / 2**30:.2f} GiB of spectra)",
        )


def _memory(result: Result) -> Iterator[Line]:
    facts = result.facts
    size = f"{result.name}: {facts['n_spaxel']:,} x {facts['n_plane']:,}"
    yield Line(
        f"{size}, peak memory in GiB",
        result.gib,
        facts["limit_bytes"] / 2**30,
        detail=result.detail,
    )
    projected = facts["projected_memory_bytes"] / facts["peak_memory_bytes"]
    yield Line(f"{result.name}: |projected / measured peak - 1|", abs(projected - 1), 0.3,
               detail=f"({facts['projected_memory_bytes'] / 2**30:.2f} GiB projected)")  # fmt: skip
    projection = project_cost(
        Work(facts["n_spaxel"], facts["n_plane"]),
        path=facts["linkage_path"],
        memory_bytes=facts["limit_bytes"],
    )
    yield Line(f"{result.name}: seconds of processor / projected",
               facts["cpu_seconds"] / projection.seconds,
               detail=f"({facts['cpu_seconds']:.0f} s / {projection.seconds:.0f} s)")  # fmt: skip
    harmed = facts["spilled_bytes"] + (not facts["survived"])
    yield Line(f"{result.name}: workers killed, bytes spilled", harmed, 0)


def _agreement(results: dict[str, Result]) -> Iterator[Line]:
    """Of one galaxy, whose agreement scatters by 0.15: `bench_paths` does it for many."""
    exact = results.get("30k-fastcluster")
    if exact is None:
        return
    for name in ("chain", "rounds"):
        if found := results.get(f"30k-{name}"):
            different = (found.arrays["partitions"] != exact.arrays["partitions"]).sum()
            yield Line(f"30k: spaxels that {name} puts elsewhere at k = 2..20", float(different), 0)
            high = np.argsort(exact.arrays["heights"])[-1000:]
            heights = found.arrays["heights"][high] / exact.arrays["heights"][high]
            yield Line(
                f"30k: heights of {name} / exact - 1", float(np.abs(heights - 1).max()), 1e-4
            )
    control = results.get("30k-new-noise")
    truth = exact.agreement_with_truth()
    if found := results.get("30k-two-stage"):
        yield Line(
            "30k: agreement of exact tree with truth, less that of two-stage",
            truth - found.agreement_with_truth(),
            0.02,
            detail=f"({truth:.3f} - {found.agreement_with_truth():.3f})",
        )
        if control is not None:
            yield Line(
                "30k: agreement of two-stage with the exact tree, at least as under new noise",
                found.agreement_with(exact),
                control.agreement_with(exact),
                at_most=False,
            )


def _growth(results: dict[str, Result]) -> Iterator[Line]:
    for name, limit in (("spaxels", 4.3), ("planes", 2.1)):
        once, twice = results.get("growth"), results.get(f"growth-{name}")
        if once and twice:
            factor = twice.facts[f"n_{name[:-1]}"] / once.facts[f"n_{name[:-1]}"]
            # Of the processor: on a machine with other work the clock says little.
            seconds = [result.facts["cpu_seconds"] for result in (once, twice)]
            yield Line(
                f"{factor:.2f} times the {name}: times the seconds of processor",
                seconds[1] / seconds[0],
                limit,
                detail=f"({seconds[1]:.1f} s / {seconds[0]:.1f} s)",
            )
    # The chain has its matrix read back by one worker, two stages have nothing but tiles.
    for path, limit in (("chain", math.nan), ("two-stage", 1.7)):
        one, two = results.get(f"30k-{path}"), results.get(f"30k-{path}-two-workers")
        if one and two:
            seconds = [result.facts["seconds_distances"] for result in (one, two)]
            yield Line(
                f"30k-{path}: distances on one worker / on two",
                seconds[0] / seconds[1],
                limit,
                at_most=False,
                detail=f"({seconds[0]:.1f} s / {seconds[1]:.1f} s)",
            )
