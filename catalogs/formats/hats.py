"""Catalogs in HATS form, partitioned by HEALPix pixel, which LSDB opens and matches on the sky.

After the IVOA note "HATS: a standard for the Hierarchical Adaptive Tiling Scheme". A folder with a
Parquet file for every pixel that has rows; where they are many the pixel is divided.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalogs.errors import CatalogError

INDEX = "_healpix_29"
INDEX_ORDER = 29
MOST_ROWS = 1_000_000
"""Rows of one partition."""

LARGEST_ORDER = 12
PIXELS_PER_FOLDER = 10_000


def write_hats(table: pa.Table, folder: Path, *, most_rows: int = MOST_ROWS) -> int:
    """Write a table with the columns `ra` and `dec` (degrees, ICRS) as a HATS catalog.

    Parameters
    ----------
    table : pyarrow.Table
        Rows without a position are left out: they are nowhere on the sky.
    folder : Path
        Made anew; an existing HATS catalog of the same name is replaced.
    most_rows : int
        Rows of one partition.

    Returns
    -------
    int
        How many rows were left out.

    Raises
    ------
    CatalogError
        If the table has no positions at all, or the folder holds something else.
    """
    if not {"ra", "dec"} <= set(table.column_names):
        raise CatalogError("a HATS catalog needs positions: the table has no ra and dec")
    known = pc.and_(pc.is_finite(table["ra"]), pc.is_finite(table["dec"])).fill_null(False)
    placed = table.filter(known)
    if not len(placed):
        raise CatalogError("a HATS catalog needs positions: no row of the table has one")
    if folder.exists() and not (folder / "hats.properties").is_file():
        raise CatalogError("the folder exists and is no HATS catalog", file=folder)
    index = _pixels(placed["ra"].to_numpy(), placed["dec"].to_numpy(), INDEX_ORDER)
    order = np.argsort(index, kind="stable")
    placed, index = placed.take(order), index[order]
    placed = placed.add_column(0, pa.field(INDEX, pa.int64(), nullable=False), pa.array(index))
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    _write(placed, index, unfinished, folder.name, most_rows)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return len(table) - len(placed)


def _pixels(ra: NDArray[Any], dec: NDArray[Any], order: int) -> NDArray[np.int64]:
    from astropy import units as u
    from astropy_healpix import HEALPix

    grid = HEALPix(nside=2**order, order="nested")
    return np.asarray(grid.lonlat_to_healpix(ra * u.deg, dec * u.deg), dtype=np.int64)


def _write(
    table: pa.Table, index: NDArray[np.int64], folder: Path, name: str, most_rows: int
) -> None:
    dataset = folder / "dataset"
    footers, lines = [], ["Norder,Npix"]
    pieces = list(_partitions(index, most_rows))
    for order, pixel, rows in pieces:
        directory = pixel // PIXELS_PER_FOLDER * PIXELS_PER_FOLDER
        path = Path(f"Norder={order}") / f"Dir={directory}" / f"Npix={pixel}.parquet"
        (dataset / path.parent).mkdir(parents=True, exist_ok=True)
        collected: list[pq.FileMetaData] = []
        pq.write_table(
            table[rows], dataset / path, compression="zstd", metadata_collector=collected
        )
        collected[0].set_file_path(path.as_posix())
        footers += collected
        lines.append(f"{order},{pixel}")
    pq.write_metadata(table.schema, dataset / "_common_metadata")
    pq.write_metadata(table.schema, dataset / "_metadata", footers)
    (folder / "partition_info.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    facts = {
        "obs_collection": name,
        "dataproduct_type": "object",
        "hats_nrows": len(table),
        "hats_col_ra": "ra",
        "hats_col_dec": "dec",
        "hats_col_healpix": INDEX,
        "hats_col_healpix_order": INDEX_ORDER,
        "hats_npix_suffix": ".parquet",
        "hats_order": max(order for order, _, _ in pieces),
        "hats_max_rows": most_rows,
        "hats_builder": "spaxel-survey",
        "hats_version": "v0.1",
        "hats_creation_date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MUTC"),
    }
    text = "#HATS catalog\n" + "".join(f"{key}={value}\n" for key, value in facts.items())
    for file in ("hats.properties", "properties"):
        (folder / file).write_text(text, encoding="utf-8")


def _partitions(
    index: NDArray[np.int64], most_rows: int, order: int = 0
) -> Iterator[tuple[int, int, slice]]:
    """Order, number and rows of the pixels that hold sorted rows, divided where these are many."""
    pixels = index >> 2 * (INDEX_ORDER - order)
    numbers, starts = np.unique(pixels, return_index=True)
    for number, start, end in zip(numbers, starts, [*starts[1:], len(index)], strict=True):
        if end - start <= most_rows or order == LARGEST_ORDER:
            yield order, int(number), slice(int(start), int(end))
            continue
        for finer, pixel, rows in _partitions(index[start:end], most_rows, order + 1):
            yield finer, pixel, slice(int(start) + rows.start, int(start) + rows.stop)
