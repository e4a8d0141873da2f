"""The list of sources that a user wants: names, positions, or files of their spectra.

A row that cannot be used is set aside with the reason; the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from survey.errors import ConfigError, DataError
from survey.latents.run.settings import SourceColumns
from survey.latents.run.text_table import USUAL_POSITIONS, TextTable, read_text_table
from survey.latents.xray.csc_query import SOURCE_NAME

USUAL = {
    "id": ("id", "source", "name", "2cxo", "cscv2_name", "source_name", "object"),
    "files": ("files", "file", "spectra"),
    **USUAL_POSITIONS,
}


@dataclass(frozen=True)
class WantedSource:
    """One row of the list.

    Attributes
    ----------
    name : str
        As in the list; the position where it has none.
    ra_deg, dec_deg : float
        NaN where unknown.
    files : tuple of Path
        Spectra of it that are here already; none are fetched then.
    csc_name : str
        The name in the Chandra Source Catalog, empty if the list has another one or none.
    """

    name: str
    ra_deg: float
    dec_deg: float
    files: tuple[Path, ...] = ()
    csc_name: str = ""

    @property
    def has_position(self) -> bool:
        """Whether it can be looked for on the sky."""
        return bool(np.isfinite(self.ra_deg + self.dec_deg))


@dataclass(frozen=True)
class SourceList:
    """The sources that can be looked for, and why the other rows cannot."""

    sources: tuple[WantedSource, ...]
    bad: tuple[DataError, ...]


def read_source_list(path: Path, columns: SourceColumns | None = None) -> SourceList:
    """The list of a table: CSV, ECSV, VOTable or FITS.

    Parameters
    ----------
    path : Path
    columns : SourceColumns, optional
        What the columns are, where they have other names than usual.

    Raises
    ------
    ConfigError
        If it cannot be read, or has neither names, nor positions, nor files.
    """
    columns = columns or SourceColumns()
    table = read_text_table(path)
    found = {role: table.pick(role, getattr(columns, role), usual) for role, usual in USUAL.items()}
    placed = found["ra"] is not None and found["dec"] is not None
    if not (found["id"] or found["files"] or placed):
        raise ConfigError(
            "the list has no column to look for sources by", file=path,
            expected="id, ra and dec, or files", found=", ".join(table.columns.columns[:20]),
            advice="Declare them in the settings file, [sources]",
        )  # fmt: skip
    return _rows(table, found)


def _rows(table: TextTable, found: dict[str, str | None]) -> SourceList:
    names, files = table.text(found["id"]), table.text(found["files"])
    written = table.text(found["ra"]), table.text(found["dec"])
    ra = table.angles(found["ra"], is_ra=True)
    dec = table.angles(found["dec"], is_ra=False)
    good: dict[str, WantedSource] = {}
    bad: list[DataError] = []
    for row, name in enumerate(names):
        try:
            one = _source(name, ra[row], dec[row], files[row], table.file)
            if (written[0][row] or written[1][row]) and not one.has_position and not one.csc_name:
                raise DataError(
                    "the position cannot be read", expected="degrees, or h m s and d m s",
                    found=f"{written[0][row]!r}, {written[1][row]!r}",
                )  # fmt: skip
            if one.name in good and good[one.name] != one:
                raise DataError(f"the source {one.name} was in the list before, with other cells")
            good[one.name] = one
        except DataError as error:
            error.file = f"{table.file}, row {row + 1}"
            bad.append(error)
    return SourceList(tuple(good.values()), tuple(bad))


def _source(name: str, ra: float, dec: float, files: str, file: Path) -> WantedSource:
    paths = tuple(file.parent / part.strip() for part in files.split(";") if part.strip())
    one = WantedSource(name or f"{ra:.5f}{dec:+.5f}", ra, dec, paths, _csc_name(name))
    if one.has_position and not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise DataError(
            "the position is none on the sky", expected="0 to 360 and -90 to 90 degrees",
            found=f"{ra:g}, {dec:g}",
        )  # fmt: skip
    if not (one.files or one.csc_name or one.has_position):
        raise DataError(
            "the row has neither a name of the catalog, nor a position, nor files",
            expected="for example 2CXO J004231.1+411621, or ra and dec in degrees",
            found=repr(name),
        )
    return one


def _csc_name(name: str) -> str:
    """The name as the catalog has it, or an empty text."""
    plain = " ".join(name.split()).upper().replace("2CXOJ", "2CXO J")
    if plain.startswith("J"):
        plain = f"2CXO {plain}"
    return plain if SOURCE_NAME.fullmatch(plain) else ""
