"""Tables for other programs: VOTable and FITS, with units, UCDs and descriptions."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.io.votable.exceptions import W03
from astropy.table import Column, QTable, Table

from catalogs.durable import replacing
from catalogs.errors import CatalogError
from catalogs.query import open_catalog


def export_table(
    run: str | Path, table: str, path: str | Path, *, galaxy: str | None = None
) -> Path:
    """Write one table of a catalog as a VOTable (.vot, .xml) or FITS table (.fits).

    Parameters
    ----------
    run : str or Path
        The run directory, or the folder of a catalog itself.
    table : str
        Name of the table.
    path : str or Path
        The file to write; its suffix decides the format. An existing file is replaced once
        the new one is complete.
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
    with replacing(path) as unfinished:
        write(open_catalog(run).qtable(table, galaxy), unfinished)
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
    votable.to_xml(str(path), tabledata_format="binary2")


def write_ecsv(table: QTable, path: Path) -> None:
    """Write a table as ECSV: text with units and descriptions, which astropy reads as it was."""
    table.write(path, format="ascii.ecsv", overwrite=True)


def write_fits(table: QTable, path: Path) -> None:
    """Write a table of the catalog as a FITS table, with the UCDs of TOPCAT."""
    plain = Table(table)
    about, plain.meta = plain.meta, {}
    for column in plain.columns.values():
        if column.dtype.kind == "U":
            plain.replace_column(column.name, _ascii_column(column))
    hdu = fits.table_to_hdu(plain)
    hdu.header["EXTNAME"] = about["table"]
    for key, text in about.items():
        hdu.header["COMMENT"] = _ascii(f"{key}: {text}")
    # The standard has no keywords for these: TUCD and TCOMM are those of TOPCAT.
    for number, name in enumerate(plain.colnames, start=1):
        info = plain[name].info
        for key, text in (("TUCD", info.meta["ucd"]), ("TCOMM", info.description)):
            if text:
                hdu.header[f"{key}{number}"] = _ascii(text)
    hdu.writeto(path, overwrite=True)


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


WRITERS: dict[str, Callable[[QTable, Path], None]] = {
    ".vot": _write_votable,
    ".xml": _write_votable,
    ".fits": write_fits,
}
