"""The catalog of ten thousand galaxies: how long it takes to publish, and to ask something."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from catalogs import open_catalog
from catalogs.publish import publish
from survey.pipeline.galaxy.peak_memory import peak_memory_bytes, reset_peak_memory
from tests.benchmarks.scale.archive_scheduling import GALAXIES, parts_of
from tests.benchmarks.scale.stand_in_parts import galaxy_name, part_path
from tests.benchmarks.table import Line

COLUMNS = ["galaxy", "cluster", "flux_NeII_12.81", "err_NeII_12.81"]


def measure_publishing(folder: Path, scale: float) -> Iterator[Line]:
    """Seconds and memory to publish all parts, in a process of its own."""
    n_galaxies = round(GALAXIES * scale)
    root = parts_of(folder, n_galaxies)
    seconds, gained_bytes = _alone(_publish, root, n_galaxies)
    rows = open_catalog(root).row_counts()
    yield Line(
        f"publishing {n_galaxies} parts, {rows['spaxels'] / 1e6:.1f} million spaxels, s",
        seconds,
        120,
        detail=f"({1e3 * seconds / n_galaxies:.1f} ms a part)",
    )
    yield Line("peak memory gained meanwhile, MB", gained_bytes / 1e6, 500)


def measure_reading(folder: Path, scale: float) -> Iterator[Line]:
    """What pandas reads, and how long it takes, to answer questions about few galaxies."""
    root = folder / "stand-in"
    catalog = root / "catalog"
    if not catalog.is_dir():
        publish(root, [part_path(root, n) for n in range(round(GALAXIES * scale))])
    one = [("galaxy", "==", galaxy_name(7))]
    questions: dict[str, tuple[Path, dict[str, Any]]] = {
        "four columns of all clusters": (catalog / "clusters.parquet", {"columns": COLUMNS}),
        "four columns of the clusters of one galaxy": (
            catalog / "clusters.parquet",
            {"columns": COLUMNS, "filters": one},
        ),
        "the map of one galaxy": (
            catalog / "spaxels",
            {"columns": ["y", "x", "cluster"], "filters": one},
        ),
        "the spectra of one galaxy": (
            catalog / "spectra",
            {"columns": ["wavelength_um", "median"], "filters": one},
        ),
        "spaxels of high S/N in the whole survey": (
            catalog / "spaxels",
            {"columns": ["galaxy", "y", "x"], "filters": [("snr", ">", 200.0)]},
        ),
    }
    for question, (path, options) in questions.items():
        seconds, read_bytes, rows = _alone(_ask, path, options)
        files = [path] if path.is_file() else list(path.glob("*.parquet"))
        stored = sum(file.stat().st_size for file in files)
        yield Line(
            f"{question}: s",
            seconds,
            5,
            detail=f"({rows} rows; {read_bytes / 1e6:.1f} of {stored / 1e6:.0f} MB read)",
        )


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function called in a process that has done nothing before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _publish(root: Path, n_galaxies: int) -> tuple[float, int]:
    parts = [part_path(root, number) for number in range(n_galaxies)]
    reset_peak_memory()
    before, start = peak_memory_bytes(), time.perf_counter()
    publish(root, parts)
    return time.perf_counter() - start, peak_memory_bytes() - before


def _ask(path: Path, options: dict[str, Any]) -> tuple[float, int, int]:
    pd.read_parquet(path, columns=["galaxy"], filters=[("galaxy", "==", "")])  # loads libraries
    before, start = _bytes_read(), time.perf_counter()
    found = pd.read_parquet(path, **options)
    return time.perf_counter() - start, _bytes_read() - before, len(found)


def _bytes_read() -> int:
    """Bytes that this process has asked the system for, from the disk or its cache."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar"))
