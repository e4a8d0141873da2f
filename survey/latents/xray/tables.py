"""Binary tables of OGIP files: columns in native byte order, and keywords that may be columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.io import fits

from survey.cubes.read_fits import FitsFile
from survey.cubes.units import parse_unit
from survey.errors import DataError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """One binary table of an open file."""

    file: FitsFile
    extension: int
    header: fits.Header
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """EXTNAME, or the number of the extension."""
        return str(self.header.get("EXTNAME", self.extension))

    def has(self, column: str) -> bool:
        """Whether there is such a column; upper and lower case are the same."""
        return column.upper() in self.columns

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column in native byte order: (rows,), (rows, width), or objects where rows differ.

        Raises
        ------
        DataError
            If the column is missing or cannot be read.
        """
        if not self.has(name):
            raise DataError(
                f"no column {name} in extension {self.name}",
                file=self.file.path,
                expected=name,
                found=", ".join(self.columns),
            )
        rows = self.file.rows(self.extension)
        try:
            values = np.asarray(rows.field(_index(self.columns, name)))
        except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
            raise DataError(
                f"column {name} cannot be read ({error})", file=self.file.path
            ) from None
        if values.dtype == object:
            return values
        return values.astype(values.dtype.newbyteorder("="))

    def numbers(self, name: str) -> Floats:
        """A column of numbers, finite and of one width: (rows,) or (rows, width).

        Raises
        ------
        DataError
            If it is missing, holds no numbers, or rows have different lengths.
        """
        values = self.column(name)
        try:
            if values.dtype == object:
                values = np.stack([np.atleast_1d(row) for row in values])
            numbers = values.astype(np.float64)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"column {name} is not a table of numbers ({error})", file=self.file.path
            ) from None
        if not np.isfinite(numbers).all():
            raise DataError(f"column {name} has numbers that are not finite", file=self.file.path)
        return numbers

    def energies_kev(self, name: str) -> Floats:
        """A column of energies in keV, by its TUNIT; without one it is in keV.

        Raises
        ------
        DataError
            As `numbers`, and if the unit is not one of energy.
        """
        values, written = self.numbers(name), self.file.column_unit(self.extension, name)
        if not written:
            return values
        unit = parse_unit(written, file=self.file.path, what=f"column {name}")
        if not unit.is_equivalent(u.keV):
            raise DataError(
                f"column {name} has a wrong unit",
                file=self.file.path,
                expected="an energy such as keV",
                found=repr(written),
                advice=f"Correct TUNIT of {name}, or remove it if the numbers are keV",
            )
        return values * unit.to(u.keV)

    def text(self, keyword: str) -> str:
        """A keyword as text without blanks at its ends; empty where missing."""
        return str(self.header.get(keyword, "")).strip()

    def number(self, keyword: str, default: float | None = None) -> float:
        """A keyword as a number; see `FitsFile.number`."""
        return self.file.number(self.extension, keyword, default)


def tables_of(file: FitsFile) -> list[Table]:
    """All binary tables of an open file."""
    found = []
    for extension, header in enumerate(file.headers()):
        if str(header.get("XTENSION", "")).strip() == "BINTABLE":
            count = int(header.get("TFIELDS", 0))
            names = [str(header.get(f"TTYPE{i}", "")).strip() for i in range(1, count + 1)]
            found.append(Table(file, extension, header, tuple(name.upper() for name in names)))
    return found


def first_value(table: Table, column: str, default: int | None) -> int | None:
    """The smallest legal value of an integer column, its TLMINn."""
    number = _index(table.columns, column) + 1
    value = table.header.get(f"TLMIN{number}")
    return default if value is None else int(value)


def last_value(table: Table, column: str) -> int | None:
    """The largest legal value of an integer column, its TLMAXn."""
    value = table.header.get(f"TLMAX{_index(table.columns, column) + 1}")
    return None if value is None else int(value)


def _index(columns: tuple[str, ...], name: str) -> int:
    return columns.index(name.upper())
