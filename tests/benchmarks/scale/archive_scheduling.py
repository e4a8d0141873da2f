"""Ten thousand galaxies on a hundred workers, all in this process: what scheduling costs.

A galaxy is a task that sleeps for a drawn time, of a mean and a scatter as of small MRS and
MaNGA cubes, and hands in the part of a galaxy that was committed beforehand. Time is not
scaled. Driver, scheduler and all workers share the interpreter of one process, so that what is
measured is more than what any of them costs alone.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dask
import numpy as np
from distributed import Client, LocalCluster, get_worker

from survey.config import build_settings
from survey.engine.backends.base import SMALL_HISTORY
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyReport, GalaxyTask, process_galaxy
from survey.pipeline.run import publisher as growing
from survey.pipeline.run import schedule
from survey.pipeline.run import survey as archive
from survey.pipeline.run.schedule import Demand, projected_demand
from survey.pipeline.run.survey import run_survey
from tests.benchmarks.scale.stand_in_parts import galaxy_name, part_path, write_parts
from tests.benchmarks.table import Line

GALAXIES, SPAXELS = 10_000, 3000
WORKERS = 100
MEAN_S, SCATTER_DEX = 3.0, 0.25
GUESS_DEX = 0.1
"""How far the projected cost, by which galaxies are put in order, is from the real one."""


def measure(folder: Path, scale: float) -> Iterator[Line]:
    """Waste of worker time, and what a galaxy costs besides sleeping."""
    n_galaxies = round(GALAXIES * scale)
    root = parts_of(folder, n_galaxies)
    sleep_s = _drawn(n_galaxies)
    numbers = {galaxy_name(number): number for number in range(n_galaxies)}
    targets = [
        Target(name, (root / f"{numbers[name]}~{sleep_s[numbers[name]]}.fits",)) for name in numbers
    ]
    guess = np.random.default_rng(1).normal(0, GUESS_DEX, n_galaxies)
    reports: list[GalaxyReport] = []
    publishing = _Timed(growing.publish)
    with (
        dask.config.set(SMALL_HISTORY),
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            memory_limit=0,
        ) as cluster,
        Client(cluster, timeout="120s") as client,
    ):
        archive.process_galaxy = stalled_worker
        schedule.projected_demand = lambda target, settings: Demand(
            _seconds(target) * 10 ** guess[numbers[target.galaxy]]
        )
        growing.publish = publishing
        cpu = time.process_time()
        try:
            settings = build_settings({"report": {"figures": False}})
            run_survey(root, targets, settings, client, on_report=reports.append)
        finally:
            archive.process_galaxy, schedule.projected_demand = process_galaxy, projected_demand
            growing.publish = publishing.function
        cpu = time.process_time() - cpu
    yield from _lines(reports, sleep_s, cpu, publishing)


def parts_of(folder: Path, n_galaxies: int) -> Path:
    """A run directory with the parts of so many galaxies, and nothing published."""
    root = folder / "stand-in"
    write_parts(root, range(n_galaxies), SPAXELS)
    for path in (root / "catalog", root / ".versions", root / "logs"):
        if path.is_symlink():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)
    return root


def stalled_worker(task: GalaxyTask) -> GalaxyReport:
    """Stands for the computation of a galaxy."""
    number, seconds = task.target.files[0].local.stem.split("~")
    start = time.time()
    time.sleep(float(seconds))
    return GalaxyReport(
        galaxy=task.target.galaxy,
        seconds=time.time() - start,
        part=part_path(task.root, int(number)),
        computed=("commit",),
        notes=(str(get_worker().name), str(start), str(time.time())),
    )


def _drawn(n_galaxies: int) -> np.ndarray:
    drawn = 10 ** np.random.default_rng(0).normal(0, SCATTER_DEX, n_galaxies)
    return np.round(MEAN_S * drawn / drawn.mean(), 3)


def _seconds(target: Target) -> float:
    return float(target.files[0].local.stem.split("~")[1])


@dataclass
class _Timed:
    """A function that remembers when it was called and how long each call took."""

    function: object
    calls: tuple[tuple[float, float], ...] = ()

    def __call__(self, *args: object, **kwargs: object) -> object:
        start = time.time()
        try:
            return self.function(*args, **kwargs)  # type: ignore[operator]
        finally:
            self.calls += ((start, time.time()),)


def _lines(
    reports: list[GalaxyReport], sleep_s: np.ndarray, cpu: float, publishing: _Timed
) -> Iterator[Line]:
    starts, stops = (np.array([float(report.notes[i]) for report in reports]) for i in (1, 2))
    whole_s = stops.max() - starts.min()
    workers = len({report.notes[0] for report in reports})
    yield Line(
        f"waste of the time of {workers} workers, {len(reports)} galaxies of {MEAN_S:g} s",
        1 - sleep_s.sum() / (workers * whole_s),
        0.03,
        detail=f"({whole_s:.1f} s, {sleep_s.sum() / workers:.1f} s of sleep per worker)",
    )
    beside = [stop - start for start, stop in publishing.calls if stop < stops.max()]
    yield Line(
        "processor time of driver, scheduler and workers in ms per galaxy",
        1e3 * cpu / len(reports),
        30,
        detail=f"(with publishing: {len(beside)} times meanwhile, {sum(beside):.0f} s)",
    )
    last = publishing.calls[-1]
    yield Line("publishing the last catalog in s, after the last galaxy", last[1] - last[0], 120)
