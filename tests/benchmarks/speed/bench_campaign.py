"""What a campaign pays besides its science, in CPU seconds, beside what it paid before.

Both sides of a ratio are measured in turn and in CPU seconds, so that other work on the machine
counts little. The targets are worth knowing; none of them is a test.

    python -m tests.benchmarks.speed.bench_campaign [PART ...]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.table import Line, print_table

ROOT = Path(__file__).parents[3]
MODULE = "tests.benchmarks.speed.bench_campaign"
COMMAND = "from survey.cli import main; main()"
LINKED = 20_000
REPEATS = 3


def worker() -> Iterator[Line]:
    """Stages of a galaxy in a worker of a nanny, and in a plain process."""
    from survey.config import EngineSettings
    from survey.engine.cluster import connect
    from survey.simulate import simulate_archive

    with tempfile.TemporaryDirectory() as name:
        simulate_archive(name, 1, size=(52, 50), snr=30.0, seed=1)
        call = [sys.executable, "-m", MODULE, "--galaxy", name]
        done = subprocess.run(call, capture_output=True, text=True, env=_environment(), check=True)
        plain = json.loads(done.stdout)
        with connect(EngineSettings(workers=1, dashboard=False)) as client:
            nanny = client.submit(galaxy_cpu_s, name, "nanny").result()
    yield _line("stages in a nanny's worker / in a plain process", nanny / plain, 1.05, 1.7)


def galaxy_cpu_s(folder: str, name: str) -> float:
    """Least CPU seconds of the stages of one galaxy, the first run left out."""
    from survey.config import Settings
    from survey.pipeline.galaxy.target import Target
    from survey.pipeline.galaxy.task import GalaxyTask, process_galaxy
    from survey.pipeline.run.targets import read_targets

    (target,) = read_targets(Path(folder) / "targets.ecsv")
    assert isinstance(target, Target)
    spent = []
    for number in range(REPEATS):
        task = GalaxyTask(target, Settings(), Path(folder, name, str(number)))
        spent.append(_cpu_s(partial(process_galaxy, task)))
    return min(spent[1:])


def forest() -> Iterator[Line]:
    """A draw of the Monte Carlo, and a bare forest."""
    from sklearn.ensemble import RandomForestClassifier
    from threadpoolctl import threadpool_limits

    from survey.classes.draw import scaling_of
    from survey.classes.monte_carlo import run_draws
    from survey.classes.sample import Method
    from tests.classes.simulated import ALL_RATIOS, simulated_sample

    labelled, classes = simulated_sample(ratios=ALL_RATIOS[:39])
    predictors = scaling_of(labelled)(labelled.sample.measured())
    run_draws(labelled, Method(), range(2), 0)
    ours = bare = 0.0
    with threadpool_limits(1):
        for draw in range(20):
            forest = RandomForestClassifier(Method().trees, n_jobs=1, random_state=draw)
            ours += _cpu_s(partial(run_draws, labelled, Method(), [draw], 0))
            bare += _cpu_s(partial(forest.fit, predictors, classes))
    yield _line("forest draw of 67 clusters x 40 / bare scikit-learn", ours / bare, 0.25, 0.51)


def linkage() -> Iterator[Line]:
    """A tree in memory, and fastcluster alone on a matrix that is ready for it."""
    from survey.distances.noise import without_noise
    from survey.linkage.fastcluster import linkage_tree

    condensed = np.random.default_rng(0).random(LINKED * (LINKED - 1) // 2, dtype=np.float32)
    energy = np.zeros(LINKED)

    def tree() -> None:
        linkage_tree(without_noise(condensed, energy, out=condensed), "average")

    linkage_tree(condensed[:3], "average")  # compiled
    ours, bare = [], []
    for _ in range(REPEATS):
        bare.append(_fastcluster_s(condensed))
        ours.append(_cpu_s(tree))
    ratio = min(ours) / min(bare)
    yield _line(f"tree of {LINKED:,} in memory / fastcluster alone", ratio, 1.1, 1.7)


def _fastcluster_s(condensed: np.ndarray) -> float:
    from _fastcluster import linkage_wrap
    from fastcluster import mthidx

    ready, tree = np.empty(condensed.size), np.empty((LINKED - 1, 4))
    np.sqrt(condensed, out=ready)
    return _cpu_s(lambda: linkage_wrap(LINKED, ready, tree, mthidx["average"]))


def commands() -> Iterator[Line]:
    """Whole commands on one small cube."""
    from survey.simulate import simulate_archive

    with tempfile.TemporaryDirectory() as name:
        simulate_archive(name, 1, size=(14, 14), snr=30.0, seed=1)
        (cube,) = Path(name).glob("*_s3d.fits")
        science = galaxy_cpu_s(name, "alone")
        for workers, today in (("0", 6.2), ("1", 6.2)):
            run = ("run", f"{name}/survey.toml", "--out", f"{name}/run-{workers}", "--no-figures")
            spent = _command_s(*run, "--workers", workers)
            yield _line(f"survey run --workers {workers}, above its science", spent - science, 3.5,
                        today, unit=" CPU s")  # fmt: skip
        yield _line("survey status", _command_s("status", f"{name}/run-1"), 0.4, 3.1, " CPU s")
        yield _line(
            "survey inspect, one cube", _command_s("inspect", str(cube)), 1.2, 3.7, " CPU s"
        )
        again = _command_s("run", f"{name}/survey.toml", "--out", f"{name}/run-1", "--no-figures")
        yield _line("survey run, all finished", again, 0.6, 3.7, " CPU s")
        yield _line("page of a small galaxy / its science", _page_s(Path(name)) / science, 0.5, 2.5)


def _page_s(folder: Path) -> float:
    from survey.report.pages.site import write_galaxy_page

    root = folder / "run-1"
    (part,) = root.glob("parts/*/commit-*")
    spent = []
    for _ in range(REPEATS):
        for page in (root / "report").rglob("*.html"):
            page.unlink()
        key = part.name.removeprefix("commit-")
        spent.append(_cpu_s(partial(write_galaxy_page, root, part.parent.name, key)))
    return min(spent)


def store() -> Iterator[Line]:
    """A cube read and written as a store, and its arrays written by NumPy; seconds of the clock."""
    from survey.config import ReadSettings
    from survey.cubes.registry import open_cube
    from survey.cubes.store import write_store
    from survey.simulate import simulate_archive

    with tempfile.TemporaryDirectory() as name:
        simulate_archive(name, 1, size=(52, 50), snr=30.0, seed=1)
        (cube,) = Path(name).glob("*_s3d.fits")

        def convert() -> None:
            with open_cube(cube, ReadSettings(), redshift=0.01) as dataset:
                write_store(dataset, f"{name}/store.zarr", chunk_spaxels=64, shard_chunks=64)

        with open_cube(cube, ReadSettings(), redshift=0.01) as dataset:
            arrays = [dataset[array].values for array in ("flux", "error", "bad")]

        def save() -> None:
            for number, array in enumerate(arrays):
                with Path(name, f"{number}.npy").open("wb") as file:
                    np.save(file, array)
                    file.flush()
                    os.fsync(file.fileno())

        convert()
        ours, theirs = [], []
        for _ in range(REPEATS):
            ours.append(_clock_s(convert))
            theirs.append(_clock_s(save))
    rates = min(theirs) / min(ours)
    yield _line("speed of FITS to Zarr / of np.save with fsync", rates, 0.8, 0.4, at_most=False)


def floor() -> Iterator[Line]:
    """What the smallest galaxy costs: processor, waits for the disk, files."""
    from catalogs import durable
    from survey.simulate import simulate_archive

    flushes = [0]
    fsync, syncfs = os.fsync, durable._syncfs()

    def counted(function: Callable[[int], Any]) -> Callable[[int], Any]:
        def flush(descriptor: int) -> Any:
            flushes[0] += 1
            return function(descriptor)

        return flush

    with tempfile.TemporaryDirectory() as name:
        simulate_archive(name, 1, size=(8, 8), window=(12.2, 13.2), snr=30.0, seed=1)
        spent = galaxy_cpu_s(name, "alone")
        os.fsync = counted(fsync)
        durable._syncfs = lambda: syncfs and counted(syncfs)
        try:
            galaxy_cpu_s(name, "counted")
        finally:
            os.fsync, durable._syncfs = fsync, lambda: syncfs
        root = Path(name, "counted", "0")
        files = [path for path in root.rglob("*") if path.is_file()]
    yield _line("stages of the smallest galaxy", spent, 0.1, 0.2, " CPU s")
    yield _line("times that it waits for the disk", flushes[0] / REPEATS, 6, 61)
    yield _line("its files", len(files), 8, 28)


def two_stage() -> Iterator[Line]:
    """Memory of a galaxy whose tree is made in two stages: projected, and measured."""
    from survey.simulate import simulate_archive

    with tempfile.TemporaryDirectory() as name:
        simulate_archive(name, 1, size=(145, 145), window=(12.2, 13.2), snr=30.0, seed=1)
        call = [sys.executable, "-m", MODULE, "--two-stage", name]
        as_workers = _environment() | {"MALLOC_ARENA_MAX": "1"}
        done = subprocess.run(call, capture_output=True, text=True, env=as_workers, check=True)
    projected, measured = json.loads(done.stdout)
    detail = f"(before: 0.79; wanted: 0.9 to 1.1; {measured / 2**30:.2f} GiB)"
    yield Line("memory of the path two-stage, projected / measured", projected / measured,
               detail=detail)  # fmt: skip


def two_stage_bytes(folder: str) -> tuple[int, int]:
    """Projected and measured peak memory of this process."""
    from catalogs.part_tables import read_part_table
    from survey.config import build_settings
    from survey.pipeline.galaxy.runner import GalaxyRunner
    from survey.pipeline.run.targets import read_targets

    settings = build_settings({"linkage": {"path": "two-stage"}})
    (target,) = read_targets(Path(folder) / "targets.ecsv")
    part = GalaxyRunner(target, settings, Path(folder, "run"), 4 * 2**30).result()
    (row,) = read_part_table(part, "galaxies").to_pylist()
    return row["projected_memory_bytes"], row["peak_memory_bytes"]


PARTS = {
    part.__name__: part for part in (worker, forest, linkage, commands, floor, store, two_stage)
}


def _line(
    case: str, value: float, wanted: float, today: float, unit: str = "", *, at_most: bool = True
) -> Line:
    sign = "<=" if at_most else ">="
    return Line(f"{case}{unit and f' ({unit.strip()})'}", value,
                detail=f"(before: {today:g}; wanted: {sign} {wanted:g})")  # fmt: skip


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def _cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _clock_s(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _command_s(*arguments: str) -> float:
    """CPU seconds of a command and all processes that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    call = [sys.executable, "-c", COMMAND, *arguments]
    subprocess.run(call, check=True, capture_output=True, env=_environment())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(parts: list[str]) -> Iterator[Line]:
    """The lines of some parts, or of all."""
    for part in parts or PARTS:
        yield from PARTS[part]()


def main(parts: list[str] | None = None) -> bool:
    """Print the table."""
    return print_table("Campaign", measure(parts or []))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--galaxy"]:
        print(json.dumps(galaxy_cpu_s(sys.argv[2], "plain")))
    elif sys.argv[1:2] == ["--two-stage"]:
        print(json.dumps(two_stage_bytes(sys.argv[2])))
    else:
        main(sys.argv[1:])
