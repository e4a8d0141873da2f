"""Committed parts of galaxies that were never observed: real tables with other numbers.

A galaxy is computed once; its tables, with every number scattered by some per cent, stand
in for those of any number of galaxies. What is written, hashed and flushed is what a survey
writes; only the computation is missing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalogs import SCHEMA_VERSION
from catalogs.part_tables import read_part_table, write_part_table
from catalogs.parts import PartStore
from catalogs.publish import PART_TABLES
from catalogs.schema import arrow_schema, to_arrow
from survey.config import Settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.run.targets import read_targets
from survey.simulate import simulate_archive

STAGE, KEY = "commit", f"standin{SCHEMA_VERSION}"
SCATTER = 0.05
FIELD_WIDTH = 60  # spaxels in a row of the grid

Tables = dict[str, pa.Table]


def galaxy_name(number: int) -> str:
    """Name of a galaxy; in order of name they come in no order of number."""
    return f"G{number * 7919 % 1_000_003:06d}"


def part_path(root: Path, number: int) -> Path:
    """Where the part of a galaxy is."""
    return PartStore(root).path(galaxy_name(number), STAGE, KEY)


def write_parts(root: Path, numbers: Iterable[int], n_spaxel: int, workers: int = 2) -> None:
    """Commit the parts of these galaxies that are not there yet."""
    missing = [number for number in numbers if not part_path(root, number).exists()]
    if not missing:
        return
    tables = template()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        portions = np.array_split(missing, -(-len(missing) // 100))
        for _ in pool.map(partial(_write, root, n_spaxel), repeat(tables), portions):
            pass


def template() -> Tables:
    """Tables of one simulated galaxy of 12 x 12 spaxels and 400 wavelengths."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate_archive(folder, 1, size=(12, 12), window=(12.2, 13.2), seed=5)
        (target,) = read_targets(folder / "targets.ecsv")
        receipt = GalaxyRunner(target, Settings(), folder).result()
        return {table: read_part_table(receipt, table) for table in PART_TABLES}


def _write(root: Path, n_spaxel: int, tables: Tables, numbers: Iterable[int]) -> None:
    store = PartStore(root)
    for number in numbers:
        made = scattered(tables, galaxy_name(number), n_spaxel, int(number))

        def write(folder: Path, made: Tables = made) -> None:
            for name, table in made.items():
                write_part_table(folder, name, table)

        store.commit(galaxy_name(number), STAGE, KEY, write)


def scattered(tables: Tables, galaxy: str, n_spaxel: int, seed: int) -> Tables:
    """The tables of another galaxy."""
    return dict(_scattered(tables, galaxy, n_spaxel, seed))


def _scattered(
    tables: Tables, galaxy: str, n_spaxel: int, seed: int
) -> Iterator[tuple[str, pa.Table]]:
    rng = np.random.default_rng(seed)
    for name in ("galaxies", "clusters", "measurements", "splits", "spectra"):
        columns = [_scatter(column.combine_chunks(), rng) for column in tables[name].columns]
        columns[0] = pa.array([galaxy] * len(tables[name]))
        yield name, pa.Table.from_arrays(columns, schema=arrow_schema(name))
    n_cluster = len(tables["clusters"])
    cluster = rng.integers(0, n_cluster + 1, n_spaxel)
    yield "spaxels", _spaxels(galaxy, cluster, rng)
    count = np.bincount(cluster, minlength=n_cluster + 1)[1:]
    parts = {
        "galaxy": galaxy,
        "cluster": np.arange(1, n_cluster + 1),
        "part": np.zeros(n_cluster, dtype=int),
        "n_spaxel": count,
        "touches_edge": False,
    }
    yield "parts", to_arrow("parts", parts)


def _scatter(column: pa.Array, rng: np.random.Generator) -> pa.Array:
    if column.null_count == len(column):
        return column  # as most columns of lines are
    if pa.types.is_floating(column.type):
        factors = rng.normal(1.0, SCATTER, len(column))
        values = column.to_numpy(zero_copy_only=False) * factors
        return pa.array(values, column.type, from_pandas=True)
    if pa.types.is_list(column.type) and pa.types.is_floating(column.type.value_type):
        return pa.ListArray.from_arrays(column.offsets, _scatter(column.values, rng), column.type)
    return column


def _spaxels(galaxy: str, cluster: NDArray[np.integer], rng: np.random.Generator) -> pa.Table:
    n_spaxel = len(cluster)
    place = np.arange(n_spaxel)
    shift = rng.integers(-6, 7, n_spaxel)
    rows = {
        "galaxy": galaxy,
        "y": place // FIELD_WIDTH,
        "x": place % FIELD_WIDTH,
        "ra": rng.uniform(0, 360) + 1e-4 * rng.normal(size=n_spaxel),
        "dec": rng.uniform(-90, 90) + 1e-4 * rng.normal(size=n_spaxel),
        "cluster": cluster,
        "part": np.where(cluster > 0, 0.0, np.nan),
        "shift_samples": shift,
        "shift_km_s": 57.3 * shift,
        "snr": rng.lognormal(3, 1, n_spaxel),
        "scale": rng.lognormal(0, 1, n_spaxel),
        "flags": 0,
    }
    return to_arrow("spaxels", rows)
