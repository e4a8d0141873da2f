"""Tables for other programs: VOTable, FITS, ECSV, CSV, Parquet and HATS.

All but CSV carry the units and descriptions of the columns; VOTable, FITS and Parquet the UCDs too.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy.io import fits
from astropy.io.votable import converters, from_table
from astropy.io.votable.exceptions import W03
from astropy.io.votable.tree import Field
from astropy.table import Column, QTable, Table
from pyarrow import csv

from catalogs.durable import replacing
from catalogs.errors import CatalogError
from catalogs.fields import to_qtable
from catalogs.formats.hats import write_hats
from catalogs.formats.vo_parquet import write_vo_parquet
from catalogs.query import open_catalog

MOST_COLUMNS = 999
"""Of a FITS table."""

LONGEST_NAME = 64
"""Of a column: a longer one would not fit its card."""

KEY = ("galaxy", "cluster")


def export_table(
    run: str | Path, table: str, path: str | Path, *, galaxy: str | None = None
) -> Path:
    """Write one table of a catalog: .vot or .xml, .fits, .ecsv, .csv, .parquet or .hats.

    Parameters
    ----------
    run : str or Path
        The run directory, or the folder of a catalog itself.
    table : str
        Name of the table.
    path : str or Path
        The file to write; its suffix decides the format. An existing file is replaced once
        the new one is complete. A HATS catalog is a folder.
    galaxy : str, optional
        Only rows of this galaxy.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    CatalogError
        If the suffix is unknown, or the catalog, table or galaxy does not exist.
    """
    path = Path(path)
    write = WRITERS.get(path.suffix)
    if write is None:
        raise CatalogError(
            "unknown format: the suffix of the file decides it",
            file=path,
            expected=" or ".join(WRITERS),
        )
    content = open_catalog(run).arrow(table, galaxy)
    if path.suffix == ".hats":
        path.parent.mkdir(parents=True, exist_ok=True)
        if lost := write_hats(content, path):
            warnings.warn(f"{path}: {lost} rows without a position were left out", stacklevel=2)
        return path
    with replacing(path) as unfinished:
        write(content, unfinished)
    return path


def _write_votable(table: QTable, path: Path) -> None:
    with warnings.catch_warnings():
        # Names with a slash, as those of ratios, get an ID without it; the warning is not needed.
        warnings.simplefilter("ignore", W03)
        votable = from_table(Table(table), table_id=table.meta["table"])
    only = votable.get_first_table()
    only.description = table.meta["description"]
    for field in only.fields:
        field.ucd = table[field.name].info.meta["ucd"] or None
        _as_others_read_it(field)
    votable.to_xml(str(path), tabledata_format="binary2")


def _as_others_read_it(field: Field) -> None:
    """TOPCAT cannot read a column of bits, and the standard advises against texts of one letter."""
    if field.datatype == "bit":
        field.datatype = "boolean"
    if field.datatype == "unicodeChar" and field.arraysize == "1":
        field.arraysize = "1*"
    field.converter = converters.get_converter(field)


def write_ecsv(table: QTable, path: Path) -> None:
    """Write a table as ECSV: text with units and descriptions, which astropy reads as it was."""
    if not len(table):
        # astropy cannot read columns of arrays without a row.
        table = table.copy()
        for name in [name for name in table.colnames if table[name].ndim > 1]:
            table.replace_column(name, table[name].reshape(0))
    table.write(path, format="ascii.ecsv", overwrite=True)


def write_fits(table: QTable, path: Path) -> None:
    """Write a table of the catalog as a FITS table, with the UCDs of TOPCAT.

    FITS allows no more than 999 columns: further ones are in further extensions, each with the
    columns of the key first.
    """
    names, key = table.colnames, [name for name in KEY if name in table.colnames]
    others = [name for name in names if name not in key]
    step = MOST_COLUMNS - len(key)
    pieces = [names] if len(names) <= MOST_COLUMNS else [
        [*key, *others[start : start + step]] for start in range(0, len(others), step)
    ]  # fmt: skip
    hdus = [_fits_table(table[piece], number) for number, piece in enumerate(pieces, start=1)]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)


def _fits_table(table: QTable, number: int) -> fits.BinTableHDU:
    plain = Table(table)
    about, plain.meta = plain.meta, {}
    plain.rename_columns(plain.colnames, unique_names(plain.colnames))
    for column in plain.columns.values():
        if column.dtype.kind == "U":
            plain.replace_column(column.name, _ascii_column(column))
    hdu = fits.table_to_hdu(plain)
    hdu.header["EXTNAME"] = about["table"] if number == 1 else f"{about['table']}_{number}"
    for key, text in about.items():
        hdu.header["COMMENT"] = _ascii(f"{key}: {text}")
    # The standard has no keywords for these: TUCD and TCOMM are those of TOPCAT.
    for number, name in enumerate(plain.colnames, start=1):
        info = plain[name].info
        for key, text in (("TUCD", info.meta["ucd"]), ("TCOMM", info.description)):
            if text:
                hdu.header[f"{key}{number}"] = _ascii(text)
    return hdu


def unique_names(names: Sequence[str]) -> list[str]:
    """Names for a FITS table: they fit one card, and differ by more than capital letters."""
    taken: set[str] = set()
    unique = []
    for name in names:
        short = _ascii(name)[:LONGEST_NAME]
        tries = (short, *(f"{short[: LONGEST_NAME - 4]}_{number}" for number in range(2, 1000)))
        chosen = next(one for one in tries if one.lower() not in taken)
        taken.add(chosen.lower())
        unique.append(chosen)
    return unique


def _write_csv(table: pa.Table, path: Path) -> None:
    columns = [
        # A list of numbers is one text, with blanks between them.
        pa.array([row and " ".join(map(str, row)) for row in column.to_pylist()], pa.string())
        if pa.types.is_list(column.type)
        else column
        for column in table.columns
    ]
    csv.write_csv(pa.Table.from_arrays(columns, names=table.column_names), path)


def _ascii_column(column: Column) -> Column:
    texts, places = np.unique(column, return_inverse=True)  # Names of galaxies come often.
    data = np.array([_ascii(text) for text in texts], dtype=str)[places]
    return Column(data, description=column.description, meta=column.meta)


def _ascii(text: str) -> str:
    """The text as FITS can hold it: Greek letters as words, other letters without accents."""
    letters = [
        unicodedata.name(letter).rpartition(" ")[2].lower()
        if unicodedata.name(letter, "").startswith("GREEK")
        else letter
        for letter in unicodedata.normalize("NFKD", text)
    ]
    return "".join(letters).encode("ascii", "ignore").decode()


WRITERS: dict[str, Callable[[pa.Table, Path], object]] = {
    ".vot": lambda table, path: _write_votable(to_qtable(table), path),
    ".xml": lambda table, path: _write_votable(to_qtable(table), path),
    ".fits": lambda table, path: write_fits(to_qtable(table), path),
    ".ecsv": lambda table, path: write_ecsv(to_qtable(table), path),
    ".csv": _write_csv,
    ".parquet": write_vo_parquet,
    ".hats": write_hats,
}
"""How a table is written, by the suffix of the file."""
