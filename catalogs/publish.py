"""Publishes parts as a catalog: writes a new version, then swaps one link.

A version is written under another name, flushed to disk and renamed. Parts are read a few at a
time in order of galaxy, so that memory does not grow with the survey, the order of rows is always
the same, and a filter on `galaxy` reads little.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from catalogs import versions
from catalogs.durable import flush, flush_tree, hash_bytes, record_files
from catalogs.errors import CatalogError
from catalogs.formats.vo_parquet import (
    length_metadata,
    text_lengths,
    vo_metadata,
    without_missing_text,
)
from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, Receipt
from catalogs.query import open_catalog
from catalogs.schema import arrow_schema, declared_table, to_arrow
from catalogs.survey_parts import PRODUCTS, SurveyPart, current_survey_parts
from catalogs.versions import SCHEMA_VERSION, Manifest
from catalogs.vocabulary import Vocabulary, packaged_vocabulary

PART_TABLES = (
    "galaxies",
    "clusters",
    "measurements",
    "parts",
    "splits",
    "spaxels",
    "spectra",
)
"""Tables that the part of every galaxy has, as Arrow files (see `catalogs.part_tables`)."""

FILE_BYTES = 128 * 2**20
"""Size on disk at which a large table continues in the next file."""

ROW_GROUP_BYTES = 16 * 2**20
"""Size in memory of a row group, the unit that a filter on `galaxy` reads or skips."""

TABLES_WAITING = 32
"""Tables of single galaxies that wait to be joined; hundreds of short columns take far more
memory than their content."""

READERS = 4
"""Threads that read parts, for file systems that answer slowly."""

WHERE = ["attempts", "worker", "host"]
"""Columns of `quarantine` that differ from run to run: they alone make no new version."""

PARTS_AHEAD = 16
"""Parts that are read ahead; this bounds the memory."""

COMPRESSIONS = ("gzip", "zstd")
"""Of the small tables, in turn from version to version.

Who reads by the link opens a file twice: for its footer, then for its data. If the link is swapped
in between, the footer of one version is applied to the data of the next. Then a page may be found
where another column begins: once, a column that was read alone came out wrong without an error.
Data compressed in another way than the footer says are an error in every reader.
"""

LOCK_TIMEOUT_S = 600.0
LOCK_POLL_S = 0.05


def publish(
    root: str | Path,
    parts: Iterable[str | Path],
    quarantine: Sequence[Mapping[str, Any]] = (),
    *,
    metadata: Mapping[str, str] | None = None,
    survey_parts: Iterable[SurveyPart] = (),
    vocabulary: Vocabulary | None = None,
    anew: bool = False,
) -> Path:
    """Publish the catalog of a run, unless the current one was made from the same parts.

    Parameters
    ----------
    root : str or Path
        The run directory.
    parts : iterable of Path
        Folders of parts (see `catalogs.parts`), one per galaxy, with an Arrow file for each of
        `PART_TABLES`.
    quarantine : sequence of mappings
        Rows of the table `quarantine`.
    metadata : mapping of str, optional
        Facts to keep with every table, for example the version of the software. Do not give the
        time: a new value makes a new version.
    survey_parts : iterable of SurveyPart
        Parts of all galaxies together, for example their classes.
    vocabulary : Vocabulary, optional
        Lines, bands and ratios that columns are named after; by default the packaged ones.
    anew : bool
        Whether to write a new version in any case, because the current one is damaged.

    Returns
    -------
    Path
        The folder of the version that ``RUN/catalog`` now leads to.

    Raises
    ------
    CatalogError
        If two parts are of one galaxy, a part is damaged or has another schema, or another
        process publishes for too long.
    """
    root = Path(root)
    with ThreadPoolExecutor(READERS) as pool:
        receipts = _in_order(pool.map(Receipt.read, map(Path, parts)))
    survey_parts = tuple(survey_parts)
    failures = without_missing_text(to_arrow("quarantine", list(quarantine)))
    if len(failures) > 1:  # PyArrow loads much to sort.
        failures = failures.sort_by("galaxy")
    manifest = Manifest(
        version="",
        schema_version=SCHEMA_VERSION,
        parts=tuple((receipt.galaxy, receipt.stage, receipt.key) for receipt in receipts),
        quarantine=quarantine_hash(failures),
        metadata=dict(metadata or {}),
        products={part.product.name: part.key for part in survey_parts},
        vocabulary=(vocabulary or packaged_vocabulary()).with_classes(
            next((part.classes for part in survey_parts if part.classes), ())
        ),
        files=(),
    )
    with _only_publisher(root):
        current = versions.current_version(root)
        unchanged = current is not None and versions.is_made_from(current, manifest.inputs)
        if current is not None and unchanged and not anew:
            version = current
        else:
            version = _build(root, receipts, failures, manifest, survey_parts)
            versions.make_current(root, version)
        # Also if nothing is new: a publisher that was killed may have removed a version by half.
        versions.remove_old_versions(root)
    _give_memory_back()
    return version


def quarantine_hash(failures: pa.Table) -> str:
    """Hash of the rows of `quarantine`, by which a manifest knows them; not of `WHERE`."""
    facts = failures.drop_columns([name for name in WHERE if name in failures.column_names])
    return hash_bytes(json.dumps(facts.to_pylist()).encode())


def _give_memory_back() -> None:
    """Free memory that Arrow and the C library keep for the next catalog.

    A driver that publishes every few minutes would otherwise grow by 20 MB each time.
    """
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # a C library without it
        ctypes.CDLL(None).malloc_trim(0)


def _in_order(receipts: Iterable[Receipt]) -> list[Receipt]:
    ordered = sorted(receipts, key=lambda receipt: receipt.galaxy)
    for one, other in pairwise(ordered):
        if one.galaxy == other.galaxy:
            raise CatalogError(
                f"two parts of galaxy {one.galaxy!r}", file=other.path, found=str(one.path)
            )
    return ordered


@contextmanager
def _only_publisher(root: Path) -> Iterator[None]:
    folder = root / versions.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        _wait_for(lock)
        yield  # The lock is released when the file is closed.


def _wait_for(lock: TextIO) -> None:
    end = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise CatalogError(
                    "another process is publishing and does not finish",
                    file=lock.name,
                    advice="Check that no second run uses this directory.",
                ) from None
            time.sleep(LOCK_POLL_S)
        except OSError:
            return  # This file system has no locks. Whoever works in a run keeps others out.
        else:
            return


def publish_again(root: str | Path, *survey_parts: SurveyPart) -> Path:
    """Publish the galaxies of the current catalog again, with new survey-wide parts.

    Survey-wide parts of other products stay as they are in the catalog.

    Raises
    ------
    CatalogError
        If there is no catalog, or `publish` cannot make one.
    """
    import pyarrow.parquet as pq  # slow to load

    root = Path(root)
    new = {part.product.name: part for part in survey_parts}
    current = open_catalog(root)
    manifest = Manifest.read(current.path)
    store = PartStore(root)
    return publish(
        root,
        [store.path(*part) for part in manifest.parts],
        pq.read_table(current.files("quarantine")[0]).to_pylist(),
        metadata=manifest.metadata,
        vocabulary=manifest.vocabulary,
        survey_parts=(current_survey_parts(root) | new).values(),
    )


def _build(
    root: Path,
    receipts: Sequence[Receipt],
    failures: pa.Table,
    manifest: Manifest,
    survey_parts: Sequence[SurveyPart],
) -> Path:
    """Write a complete version under another name, then rename it."""
    version = versions.next_version(root)
    folder = version.parent / versions.BUILDING
    if folder.exists():  # Left by a publisher that was killed: we hold the lock.
        shutil.rmtree(folder)
    folder.mkdir()
    manifest = replace(manifest, version=version.name)
    for name in PART_TABLES:
        read = partial(
            _sorted_table, name=name, survey_parts=survey_parts, vocabulary=manifest.vocabulary
        )
        _write_table(folder, name, _read_ahead(read, receipts), manifest)
    _write_table(folder, "quarantine", [failures], manifest)
    keys = {receipt.galaxy: receipt.key for receipt in receipts}
    for product in PRODUCTS.values():
        for name in product.tables:
            rows = [
                part.current_rows(name, keys) for part in survey_parts if part.product is product
            ]
            _write_table(folder, name, rows, manifest)
    manifest = replace(manifest, files=record_files(folder))
    manifest.write(folder)
    manifest.write_copy(root, failures.to_pylist())
    flush_tree(folder)
    folder.rename(version)
    flush(version.parent)
    return version


def _sorted_table(
    receipt: Receipt, name: str, survey_parts: Sequence[SurveyPart], vocabulary: Vocabulary
) -> pa.Table:
    """One table of a galaxy in the order of its key."""
    # Columns of the classification are not in the part of the galaxy.
    own = vocabulary.with_classes(())
    table = _in_order_of_key(read_part_table(receipt, name, own), declared_table(name).key)
    for part in survey_parts:
        if join := part.product.joins.get(name):
            table = join(part, table, receipt)
    return _with_all_columns(table, arrow_schema(name, vocabulary=vocabulary))


def _with_all_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with all columns of a schema; new columns have missing values."""
    if table.schema.equals(schema):
        return table
    # Looked up by name only once: Arrow makes a list of all its names for every look-up.
    known = dict(zip(table.column_names, table.columns, strict=True))
    arrays = [
        known[field.name] if field.name in known else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _in_order_of_key(table: pa.Table, key: Sequence[str]) -> pa.Table:
    # Most are in order: checking that reads the columns of the key, sorting reads hundreds.
    import pyarrow.compute as pc  # slow to load

    order = pc.sort_indices(table, [(column, "ascending") for column in key])
    in_order = order.equals(pa.array(range(len(table)), pa.uint64()))
    return table if in_order else table.take(order)


def _read_ahead(
    read: Callable[[Receipt], pa.Table], receipts: Sequence[Receipt]
) -> Iterator[pa.Table]:
    """Tables in the order of their parts, the next few being read while one is written."""
    with ThreadPoolExecutor(READERS) as pool:
        waiting: deque[Future[pa.Table]] = deque()
        for receipt in receipts:
            waiting.append(pool.submit(read, receipt))
            if len(waiting) > PARTS_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _write_table(folder: Path, name: str, tables: Iterable[pa.Table], manifest: Manifest) -> None:
    """Write one table of the catalog: a file, or for a large one a folder of files."""
    schema = arrow_schema(name, manifest.metadata, manifest.vocabulary)
    groups = _row_groups(tables, schema)
    if not declared_table(name).large:
        compression = COMPRESSIONS[versions.number(manifest.version) % len(COMPRESSIONS)]
        _write_files([folder / f"{name}.parquet"], schema, groups, math.inf, compression)
        return
    subfolder = folder / name
    subfolder.mkdir()
    # A reader who has listed one version's folder and opens the files of the next must not mix
    # them, nor miss some of them: by these names it finds nothing.
    names = (subfolder / f"part-{part:05d}-{manifest.version}.parquet" for part in count())
    _write_files(names, schema, groups, FILE_BYTES, "zstd")


def _row_groups(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables joined until they make a row group; a galaxy is never split between two."""
    joined: list[pa.Table] = []
    waiting: list[pa.Table] = []
    n_bytes = 0
    for table in tables:
        waiting.append(table)
        n_bytes += table.get_total_buffer_size()
        if n_bytes >= ROW_GROUP_BYTES:
            yield _joined(joined + waiting, schema)
            joined, waiting, n_bytes = [], [], 0
        elif len(waiting) == TABLES_WAITING:
            joined.append(_joined(waiting, schema))
            waiting = []
    if joined or waiting:
        yield _joined(joined + waiting, schema)


def _joined(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    # In one piece: Parquet is written piece by piece, and a galaxy is a small one.
    joined = pa.concat_tables(tables).combine_chunks()
    return without_missing_text(pa.Table.from_arrays(joined.columns, schema=schema))


def _write_files(
    paths: Iterable[Path],
    schema: pa.Schema,
    groups: Iterator[pa.Table],
    file_bytes: float,
    compression: str,
) -> None:
    """Write row groups into as many of the files as they need, and at least into one."""
    import pyarrow.parquet as pq  # slow to load

    group, following = next(groups, None), next(groups, None)
    for path in paths:
        lengths = text_lengths(schema.empty_table() if group is None else group)
        # Of several row groups the lengths are known too late for the schema.
        texts = length_metadata(lengths) if following is None else {}
        stated = schema.with_metadata((schema.metadata or {}) | texts)
        with (
            path.open("wb") as file,
            pq.ParquetWriter(file, stated, compression=compression, **_encodings(schema)) as writer,
        ):
            while group is not None and file.tell() < file_bytes:
                more = text_lengths(group)
                lengths = {name: max(length, more[name]) for name, length in lengths.items()}
                writer.write_table(group, row_group_size=max(len(group), 1))
                group, following = following, next(groups, None)
            # Not in the schema, which Arrow writes twice.
            writer.add_key_value_metadata(vo_metadata(schema, lengths))
        if group is None:
            break


def _encodings(schema: pa.Schema) -> dict[str, list[str]]:
    """Floats with their bytes sorted by significance, all else by dictionaries.

    Measured numbers are hardly ever equal: a dictionary of them costs time and gains nothing.
    """
    floats: list[str] = []
    others: list[str] = []
    for field in schema:
        is_list = pa.types.is_list(field.type)
        kind = field.type.value_type if is_list else field.type
        path = f"{field.name}.list.element" if is_list else field.name
        (floats if pa.types.is_floating(kind) else others).append(path)
    return {"use_dictionary": others, "use_byte_stream_split": floats}
