"""Small galaxies through the real run: are the workers busy, and does anything grow?"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from survey.config import EngineSettings, Settings
from survey.engine.cluster import Cluster, connect
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyReport, GalaxyTask, process_galaxy
from survey.pipeline.run import survey as archive
from survey.pipeline.run.survey import run_survey
from survey.pipeline.run.targets import read_targets
from survey.report.run import write_galaxy
from survey.simulate import simulate_archive
from tests.benchmarks.table import Line

GALAXIES, SIZE, WINDOW_UM = 1000, (12, 12), (12.2, 13.2)  # 400 planes
WITH_FIGURES = 100
WORKERS = 2
SAMPLES = 40
SETTLED = 0.1
"""From this share of the galaxies on, and once a catalog was published, everything is loaded and
every pool has its size."""

OF_GALAXIES = ("cubes", "parts", "report")
"""Folders of a run with files of every galaxy."""

Draw = Callable[[Path, str, str], None]


def measure(folder: Path, scale: float) -> Iterator[Line]:
    """Without figures."""
    yield from _measure(folder, round(GALAXIES * scale), None)


def measure_with_figures(folder: Path, scale: float) -> Iterator[Line]:
    """With figures, which take longer than all the rest of a small galaxy."""
    yield from _measure(folder, round(WITH_FIGURES * scale), write_galaxy)


@dataclass(frozen=True)
class Sample:
    """Processes after so many galaxies: bytes, open files and CPU seconds of driver and workers."""

    n_done: int
    published: bool
    memory_bytes: tuple[int, ...]
    open_files: tuple[int, ...]
    cpu_s: tuple[float, ...]


def _measure(folder: Path, n_galaxies: int, draw: Draw | None) -> Iterator[Line]:
    targets = _targets(folder, n_galaxies)
    root = folder / "run"
    shutil.rmtree(root, ignore_errors=True)
    reports: list[GalaxyReport] = []
    samples: list[Sample] = []
    with connect(EngineSettings(workers=WORKERS)) as cluster:
        processes = [psutil.Process(), *map(psutil.Process, _on_workers(cluster, os.getpid))]
        modules: list[int] = []

        def look(report: GalaxyReport) -> None:
            reports.append(report)
            if len(reports) % max(1, n_galaxies // SAMPLES) == 0:
                samples.append(_sample(root, len(reports), processes))
            if len(reports) in (n_galaxies // 10, n_galaxies):
                modules.append(max(_on_workers(cluster, _loaded_modules)))

        archive.process_galaxy = timed_galaxy
        try:
            run_survey(root, targets, Settings(), cluster, draw=draw, on_report=look)
        finally:
            archive.process_galaxy = process_galaxy
    files = list(_files_lines(root, n_galaxies))
    shutil.rmtree(root)
    yield from files
    yield from _busy_lines(reports)
    yield from _growth_lines(
        [s for s in samples if s.published and s.n_done >= SETTLED * n_galaxies]
    )
    yield Line("modules imported after the first tenth of the galaxies", modules[1] - modules[0], 0)


def timed_galaxy(task: GalaxyTask) -> GalaxyReport:
    """What a worker does, and when and where it did it (in place of the notes)."""
    start = time.time()
    report = process_galaxy(task)
    if report.failure is not None:
        raise RuntimeError(report.failure["message"])
    return replace(report, notes=(str(os.getpid()), str(start), str(time.time())))


def _targets(folder: Path, n_galaxies: int) -> list[Target]:
    cubes = folder / f"cubes-{n_galaxies}"
    if not (cubes / "targets.ecsv").exists():
        simulate_archive(cubes, n_galaxies, size=SIZE, window=WINDOW_UM, seed=5, workers=WORKERS)
    return read_targets(cubes / "targets.ecsv")


def _on_workers(cluster: Cluster, function: Callable[[], Any]) -> list[Any]:
    return list(cluster.run(function).values())


def _loaded_modules() -> int:
    return len(sys.modules)


def _sample(root: Path, n_done: int, processes: list[psutil.Process]) -> Sample:
    return Sample(
        n_done,
        (root / "catalog").exists(),
        tuple(process.memory_info().rss for process in processes),
        tuple(process.num_fds() for process in processes),
        tuple(sum(process.cpu_times()[:2]) for process in processes),
    )


def _busy_lines(reports: list[GalaxyReport]) -> Iterator[Line]:
    spans: dict[str, list[tuple[float, float]]] = {}
    for report in reports:
        worker, start, stop = report.notes
        spans.setdefault(worker, []).append((float(start), float(stop)))
    everything = [span for own in spans.values() for span in own]
    whole_s = max(stop for _, stop in everything) - min(start for start, _ in everything)
    busy = [sum(stop - start for start, stop in own) / whole_s for own in spans.values()]
    yield Line(
        f"share of the time that the least busy of {WORKERS} workers is at work",
        min(busy) if len(busy) == WORKERS else 0.0,
        0.9,
        at_most=False,
        detail=f"({len(reports)} galaxies in {whole_s:.0f} s)",
    )
    seconds = [stop - start for start, stop in everything]
    firsts = [own[0][1] - own[0][0] for own in spans.values()]
    yield Line(
        "median galaxy in s",
        float(np.median(seconds)),
        2.0,
        detail=f"(the first on each worker: {', '.join(f'{s:.1f}' for s in firsts)} s)",
    )


def _growth_lines(samples: list[Sample]) -> Iterator[Line]:
    n_done = np.array([sample.n_done for sample in samples])
    memory_mb = np.array([sample.memory_bytes for sample in samples]) / 1e6
    files = np.array([sample.open_files for sample in samples])
    span = f"from galaxy {n_done[0]} to {n_done[-1]}"
    cpu_s = np.array([sum(sample.cpu_s) for sample in samples])
    half = len(samples) // 2
    early, late = (
        1e3 * np.diff(cpu_s[[first, last]])[0] / np.diff(n_done[[first, last]])[0]
        for first, last in ((0, half), (half, -1))
    )
    yield Line(
        f"CPU of a galaxy of the second half / of the first, {span}",
        late / early,
        1.1,
        detail=f"({early:.0f} ms, {late:.0f} ms, of driver and workers)",
    )
    driver, workers = memory_mb[:, 0], memory_mb[:, 1:]
    yield Line(
        f"memory that the driver gains {span}, MB",
        driver[-1] - driver[0],
        50,
        detail=f"({driver[0]:.0f} to {driver[-1]:.0f} MB)",
    )
    yield Line(
        "memory that a worker gains, MB per 100 galaxies",
        max(_slope_per_100(n_done, worker) for worker in workers.T),
        1,
        detail=f"({workers[0].max():.0f} to {workers[-1].max():.0f} MB)",
    )
    yield Line(
        "open files that a process gains, per 100 galaxies",
        max(_slope_per_100(n_done, process) for process in files.T),
        5,
        detail=f"({files[-1].max()} at the end)",
    )


def _files_lines(root: Path, n_galaxies: int) -> Iterator[Line]:
    """How many files a run has: of every galaxy, and besides."""
    found = [path for path in root.rglob("*") if not path.is_dir() or path.is_symlink()]
    of_galaxies = [path for path in found if path.relative_to(root).parts[0] in OF_GALAXIES]
    yield Line(
        f"files of a galaxy, of {n_galaxies}",
        len(of_galaxies) / n_galaxies,
        10 if (root / "report").exists() else 8,
        detail=f"(and {len(found) - len(of_galaxies)} of the run, catalog and logs)",
    )


def _slope_per_100(n_done: np.ndarray, values: np.ndarray) -> float:
    return float(100 * np.polyfit(n_done, values, 1)[0])
