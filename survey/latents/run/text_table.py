"""Reads tables of sources and of labels: columns by the names that they have or are declared by.

Text is kept as text, so that names stay what they are. CSV (plain or compressed), ECSV, VOTable and
FITS are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from astropy import units as u
from astropy.table import Table

from survey.cubes.wcs import angle_deg
from survey.errors import ConfigError

Floats = npt.NDArray[np.float64]

BLANK = {"", "-", "--", "---", "n/a", "na", "nan", "none", "null", "..."}
USUAL_POSITIONS = {
    "ra": ("ra", "ra_deg", "raj2000", "_raj2000", "raicrs", "ra_icrs"),
    "dec": ("dec", "dec_deg", "dej2000", "_dej2000", "deicrs", "de_icrs"),
}
"""Names that columns of positions usually have, in lower case."""

_TEXT = (".csv", ".tsv", ".txt", ".dat")


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table whose cells are text, empty where there is nothing.

    Attributes
    ----------
    file : Path
    columns : frame
        Text cells by the names of the columns.
    units : dict
        Units of the columns that have one.
    """

    file: Path
    columns: pd.DataFrame
    units: dict[str, u.UnitBase]

    def __len__(self) -> int:
        return len(self.columns)

    def pick(
        self, role: str, declared: str | None, usual: Iterable[str], *, required: bool = False
    ) -> str | None:
        """The name of the column of a role: as declared, or the first of its usual names.

        Raises
        ------
        ConfigError
            If a declared column, or a required one, is not there.
        """
        names = {name.lower(): name for name in self.columns.columns}
        if declared is not None:
            if declared in self.columns.columns:
                return declared
            if declared.lower() in names:
                return names[declared.lower()]
            raise ConfigError(
                f"the table has no column {declared!r}, which is declared as its {role}",
                file=self.file,
                expected=declared,
                found=", ".join(map(str, self.columns.columns[:20])),
            )
        found = next((names[name] for name in usual if name in names), None)
        if found is None and required:
            raise ConfigError(
                f"the table has no column for the {role}",
                file=self.file,
                expected=" or ".join(usual),
                found=", ".join(map(str, self.columns.columns[:20])),
                advice="Declare it in the settings file",
            )
        return found

    def text(self, column: str | None) -> list[str]:
        """Cells of a column, empty throughout for None."""
        if column is None:
            return [""] * len(self)
        return [str(cell) for cell in self.columns[column]]

    def angles(self, column: str | None, *, is_ra: bool) -> Floats:
        """A column in degrees, NaN where there is none; sexagesimal right ascensions in hours.

        Raises
        ------
        ConfigError
            If its unit is not one of angle.
        """
        out = np.full(len(self), np.nan)
        if column is None:
            return out
        unit = self.units.get(column, u.deg)
        if not unit.is_equivalent(u.deg):
            raise ConfigError(
                f"the column {column} has a wrong unit", file=self.file,
                expected="an angle", found=str(unit),
            )  # fmt: skip
        for row, cell in enumerate(self.text(column)):
            if cell:
                try:
                    out[row] = float(cell) * unit.to(u.deg)
                except ValueError:
                    out[row] = angle_deg(cell, is_ra=is_ra)
        return out


def read_text_table(path: str | Path) -> TextTable:
    """A table of text cells.

    Raises
    ------
    ConfigError
        If it cannot be read, or has no rows.
    """
    path = Path(path)
    plain = path.name.lower().removesuffix(".gz").removesuffix(".bz2")
    try:
        if plain.endswith(_TEXT) and not _is_ecsv(path):
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, sep=_separator(path))
            units: dict[str, u.UnitBase] = {}
        else:
            table = Table.read(
                path, format="ascii.ecsv" if plain.endswith((".ecsv", ".csv")) else None
            )
            units = {
                name: u.Unit(column.unit) for name, column in table.columns.items() if column.unit
            }
            frame = pd.DataFrame({name: _cells(table[name]) for name in table.colnames})
    except FileNotFoundError:
        raise ConfigError("the table does not exist", file=path) from None
    except Exception as error:  # readers raise errors of many unrelated classes
        raise ConfigError(f"the table cannot be read ({error})", file=path) from None
    frame.columns = [str(name).lstrip("# ").strip() for name in frame.columns]
    frame = frame.map(lambda cell: _plain(str(cell)))
    if not len(frame):
        raise ConfigError("the table has no rows", file=path)
    return TextTable(path, frame, units)


def _plain(cell: str) -> str:
    cell = cell.strip()
    return "" if cell.lower() in BLANK else cell


def _cells(column: object) -> list[str]:
    values: Any = np.ma.asarray(column)
    masked: Any = np.ma.getmaskarray(values).reshape(len(values), -1).any(axis=1)
    cells = [v.decode() if isinstance(v, bytes) else str(v) for v in np.ma.getdata(values)]
    return ["" if gone else cell for cell, gone in zip(cells, masked, strict=True)]


def _is_ecsv(path: Path) -> bool:
    if path.name.lower().endswith((".gz", ".bz2")):
        return False
    with path.open("rb") as file:
        return file.read(7) == b"# %ECSV"


def _separator(path: Path) -> str:
    if path.name.lower().endswith((".gz", ".bz2")):
        return ","
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    return next((mark for mark in ",;\t" if mark in first), ",")
