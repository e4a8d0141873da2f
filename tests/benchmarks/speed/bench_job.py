"""The whole job on one cube of the size of MRS channel 3, from FITS to catalog.

Without figures and without the start of processes. The yardstick is the job's own distance
stage, which runs on one thread of the same worker.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from catalogs import open_catalog
from survey.config import EngineSettings, Settings
from survey.engine.cluster import connect
from survey.pipeline.run.survey import run_survey
from survey.pipeline.run.targets import read_targets
from survey.simulate import simulate_archive
from tests.benchmarks.table import Line, print_table

SIZE = (52, 50)
REPEATS = 3


def measure() -> Iterator[Line]:
    """Time and memory of the job."""
    with tempfile.TemporaryDirectory() as name, connect(EngineSettings(workers=1)) as cluster:
        folder = Path(name)
        simulate_archive(folder, 1, size=SIZE, snr=30.0, seed=1)
        targets = read_targets(folder / "targets.ecsv")
        runs = []
        for repeat in range(REPEATS):
            root = folder / str(repeat)
            start = time.perf_counter()
            run_survey(root, targets, Settings(), cluster)
            runs.append((time.perf_counter() - start, open_catalog(root).galaxies.iloc[0]))
    # The first run also imports the libraries on the worker.
    seconds, row = min(runs, key=lambda run: run[0] / run[1]["seconds_distances"])
    yield Line(
        f"whole job / distance stage, {row['n_spaxel']} spaxels, {row['engine']}, {row['dtype']}",
        seconds / row["seconds_distances"],
        12,
        detail=f"({seconds:.1f} s / {row['seconds_distances']:.2f} s)",
    )
    yield Line(
        "peak memory of the worker in GiB",
        max(run["peak_memory_bytes"] for _, run in runs) / 2**30,
        2,
    )


def main() -> bool:
    """Print the table."""
    return print_table("Whole job", measure())


if __name__ == "__main__":
    main()
