"""Two worker processes against one, on eight equal galaxies."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from survey.config import EngineSettings, Settings
from survey.engine.cluster import connect
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.survey import run_survey
from survey.pipeline.run.targets import read_targets
from survey.simulate import simulate_archive
from tests.benchmarks.table import Line, print_table

GALAXIES = 8
SIZE = (40, 40)


def seconds_with(workers: int, folder: Path, targets: list[Target]) -> float:
    """Time of the survey, the workers having loaded all they need before."""
    with connect(EngineSettings(workers=workers)) as cluster:
        warm = [replace(targets[0], galaxy=f"warm-{worker}") for worker in range(2 * workers)]
        run_survey(folder / f"warm-{workers}", warm, Settings(), cluster)
        start = time.perf_counter()
        run_survey(folder / f"run-{workers}", targets, Settings(), cluster)
        return time.perf_counter() - start


def measure() -> Iterator[Line]:
    """Speed-up by the second worker."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate_archive(folder, 1, size=SIZE, snr=30.0, seed=1)
        (target,) = read_targets(folder / "targets.ecsv")
        targets = [replace(target, galaxy=f"galaxy-{i}") for i in range(GALAXIES)]
        one, two = (seconds_with(workers, folder, targets) for workers in (1, 2))
    yield Line(
        f"one worker / two workers, {GALAXIES} galaxies of {SIZE[0]} x {SIZE[1]} spaxels",
        one / two,
        1.7,
        at_most=False,
        detail=f"({one:.1f} s / {two:.1f} s)",
    )


def main() -> bool:
    """Print the table."""
    return print_table("Workers", measure())


if __name__ == "__main__":
    main()
