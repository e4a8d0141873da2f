"""Reads reference tables: ECSV rows and TOML entries, each with its line in the file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from catalogs.errors import CatalogError
from catalogs.reference.plain_ecsv import PlainTable, read_plain

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """An entry and its place, as ``file:line``."""

    value: T
    place: str

    def refuse(self, message: str, **details: Any) -> CatalogError:
        """An error about this entry."""
        return CatalogError(message, file=self.place, **details)


class Cells:
    """The cells of a row of a table, by column; columns that have a default may be missing."""

    def __init__(self, row: Mapping[str, Any], units: Mapping[str, str]) -> None:
        self.row, self.units = row, units

    def text(self, name: str, default: str | None = None) -> str:
        """A cell as text; missing text is empty."""
        return str(self._cell(name, default)).strip()

    def words(self, name: str) -> tuple[str, ...]:
        """A cell of words between blanks; none if the column is missing."""
        return tuple(self.text(name, "").split())

    def number(self, name: str, unit: str = "", default: float | None = None) -> float:
        """A cell as a number in a unit, whatever unit the column has."""
        value = self._cell(name, default)
        given = self.units.get(name)
        if given is None or not unit or given == unit:
            return float(value)
        from astropy import units as u  # slow to load

        return float((float(value) * u.Unit(given)).to_value(u.Unit(unit)))

    def flag(self, name: str, *, default: bool) -> bool:
        """A cell as true or false."""
        return bool(self._cell(name, default))

    def _cell(self, name: str, default: Any) -> Any:
        if name in self.row:
            return self.row[name]
        if default is None:
            raise CatalogError(f"the table has no column {name!r}")
        return default


def read_rows(path: Path, parse: Callable[[Cells], T]) -> list[Entry[T]]:
    """Every row of an ECSV table, parsed; missing text is empty.

    Raises
    ------
    CatalogError
        If it cannot be read, lacks a column, or has a cell of a wrong type.
    """
    try:
        table = read_plain(path) or _read_any(path)
        places = _line_numbers(path, len(table.rows))
    except Exception as error:  # astropy's reader raises whatever its parsers do
        raise CatalogError(f"cannot be read as an ECSV table ({error})", file=path) from None
    entries = []
    for row, number in zip(table.rows, places, strict=True):
        place = f"{path}:{number}"
        try:
            entries.append(Entry(parse(Cells(row, table.units)), place))
        except CatalogError as error:
            raise CatalogError(error.message, file=place) from None
        except (ValueError, TypeError) as error:  # units, too
            raise CatalogError(f"a cell cannot be read ({error})", file=place) from None
    return entries


def _read_any(path: Path) -> PlainTable:
    """The same of an ECSV table of any form."""
    import numpy as np
    from astropy.table import Table  # slow to load

    table = Table.read(path, format="ascii.ecsv")
    for name in table.colnames:
        if table[name].dtype.kind in "OU":
            # ECSV has no empty string: astropy reads one as a masked value.
            table[name] = np.ma.filled(table[name], "")
    units = {name: str(column.unit) for name, column in table.columns.items() if column.unit}
    names = tuple(table.colnames)
    return PlainTable(names, tuple({name: row[name] for name in names} for row in table), units)


def _line_numbers(path: Path, n_rows: int) -> Iterator[int]:
    """Lines of the file, from 1, in which its rows begin."""
    lines = path.read_text(encoding="utf-8").splitlines()
    filled = [number for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    # The first line names the columns. If a cell has line breaks, lines are unknown.
    rows = filled[1:]
    return iter(rows if len(rows) == n_rows else [0] * n_rows)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file.

    Raises
    ------
    CatalogError
        If it cannot be read; the message names the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(f"cannot be read as TOML ({error})", file=path) from None


def toml_place(path: Path, name: str) -> str:
    """The place in a TOML file where an entry begins, as ``file:line``."""
    key = re.compile(rf"""^\[?["']?{re.escape(name)}["']?\s*[\]=]""")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if key.match(line.strip()):
            return f"{path}:{number}"
    return str(path)
