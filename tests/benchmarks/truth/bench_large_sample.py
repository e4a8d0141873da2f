"""An archive classified from the command line: 60,000 clusters, workers of 4 GiB.

Slower than the other benchmarks of classes, most of it for making the catalog.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from sklearn.metrics import balanced_accuracy_score

from catalogs import open_catalog
from tests.benchmarks.speed.simulated_run import CLASSES, SimulatedRun, write_run
from tests.benchmarks.table import Line, print_table

CLUSTERS, PER_GALAXY = 60_000, 300
LABELLED_FRACTION = 0.1
RATIOS = "ch3-pairs"
"""66 ratios, and the slope: more than the 40 predictors that an archive is meant to have."""

DRAWS, WORKERS, LIMIT = 8, 2, "4GiB"
SURVEY = [sys.executable, "-c", "from survey.cli import main; main()"]
POLL_S = 0.2


@dataclass
class Watched:
    """A command that has ended: its exit code, and peaks of memory in bytes."""

    code: int
    seconds: float
    driver_bytes: int
    worker_bytes: int


def measure() -> Iterator[Line]:
    """Classify, and compare with the truth where nothing was told."""
    with tempfile.TemporaryDirectory() as folder:
        run = write_run(Path(folder), CLUSTERS, PER_GALAXY, labelled_fraction=LABELLED_FRACTION)
        settings = (
            f"classes.ratios={RATIOS}",
            f"classes.draws={DRAWS}",
            f"engine.memory_limit={LIMIT}",
        )
        told = [argument for setting in settings for argument in ("--set", setting)]
        ended = _watch(
            [*SURVEY, "classify", str(run.root), "--labels", str(run.labels), "--quiet",
             "--workers", str(WORKERS), *told]
        )  # fmt: skip
        yield Line("exit code", ended.code, 0)
        yield Line("peak memory of a worker (GiB)", ended.worker_bytes / 2**30, 4.0)
        yield Line("peak memory of the driver (GiB)", ended.driver_bytes / 2**30, 4.0)
        yield Line(
            f"seconds a draw, {WORKERS} workers, {CLUSTERS} clusters",
            ended.seconds / DRAWS,
            detail="(all of the command, divided by its draws)",
        )
        yield from _accuracy(run)


def _accuracy(run: SimulatedRun) -> Iterator[Line]:
    clusters = open_catalog(run.root).clusters
    found = clusters["class"].map({name: number for number, name in enumerate(CLASSES)})
    hidden = (clusters["label_initial"] == "") & found.notna()
    right = balanced_accuracy_score(run.truth[hidden], found[hidden].astype(int))
    yield Line("balanced accuracy where nothing was told", right)
    yield Line("share of clusters with a class", float(np.mean(found.notna())), 0.99, at_most=False)


def _watch(command: list[str]) -> Watched:
    start = time.perf_counter()
    process = psutil.Popen(command)
    driver = worker = 0
    while process.poll() is None:
        try:
            driver = max(driver, process.memory_info().rss)
            for child in process.children(recursive=True):
                worker = max(worker, child.memory_info().rss)
        except psutil.NoSuchProcess:
            pass
        time.sleep(POLL_S)
    return Watched(process.returncode, time.perf_counter() - start, driver, worker)


def main() -> bool:
    """Print the table."""
    return print_table("Classes of an archive", measure())


if __name__ == "__main__":
    main()
