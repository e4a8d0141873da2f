"""Reads targets tables as text, so that names stay what they are and errors name the row.

Tables of commas (also of semicolons or tabs) are read here: a reader that guesses types would make
6821 of the name 0006821. Other tables (ECSV, VOTable, FITS) have types and units of their own.
"""

from __future__ import annotations

import codecs
import csv
import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogs.reference.plain_ecsv import PlainTable, read_plain
from survey.errors import ConfigError, SurveyWarning
from survey.pipeline.run.records.alike import named
from survey.spectra.constants import LIGHT_KM_S
from survey.spectra.redshift import REDSHIFT_RANGE, suspected_meaning

if TYPE_CHECKING:
    from astropy.table import Table

REQUIRED_COLUMNS = ("galaxy", "files")
OPTIONAL_COLUMNS = ("redshift", "ra", "dec", "distance")
COLUMNS = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
SHOWN = 5
"""Columns that are named of those that are not used."""

_TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".dat")
_TABLE_SUFFIXES = (*_TEXT_SUFFIXES, ".ecsv", ".vot", ".xml", ".parquet")
_UNKNOWN = {"", "-", "--", "---", "n/a", "na", "nan", "none", "null", "...", "?"}
_VELOCITIES = (
    *("cz", "velocity", "vel", "radial_velocity", "rv", "vsys", "v_sys", "vhel", "v_hel"),
    *("vlsr", "v_lsr", "vrad", "v_rad", "redshift_km_s"),
)
_LONGITUDES = ("glon", "gal_lon", "galactic_longitude")
_LATITUDES = ("glat", "gal_lat", "galactic_latitude")
_MEANINGS = {
    "galaxy": ("name", "target", "object", "source", "galaxy_name", "target_name"),
    "files": ("file", "cube", "cubes", "path", "paths", "filename"),
    "redshift": ("z", "zspec", "z_spec", "zsys", "z_sys", "zhel", "z_hel", *_VELOCITIES),
    "ra": (
        *("ra_deg", "raj2000", "ra_j2000", "ra2000", "right_ascension", "radeg", "ra_icrs"),
        *_LONGITUDES,
    ),
    "dec": (
        *("de", "decl", "dec_deg", "dej2000", "decj2000", "dec_j2000", "dec2000", "decdeg"),
        *("declination", "de_icrs", "dec_icrs", *_LATITUDES),
    ),
    "distance": ("dist", "d_mpc", "dist_mpc", "lumdist", "luminosity_distance"),
}
_OTHER_NAMES = {word: name for name, words in _MEANINGS.items() for word in words}
"""Names that other tables have for these columns: what is in them is not left out silently."""

_HOW = dict.fromkeys(_VELOCITIES, "Name it 'redshift [km/s]', if that is meant") | dict.fromkeys(
    (*_LONGITUDES, *_LATITUDES), "Convert the position to ra and dec (ICRS), or leave it out"
)
_WITH_UNIT = re.compile(r"(?P<name>[^\[\](){}]*?)\s*[\[({](?P<unit>[^\[\](){}]+)[\])}]")


@dataclass(frozen=True)
class TargetRow:
    """One row of a targets table.

    Attributes
    ----------
    cells : mapping
        Values by the names of their columns.
    units : mapping
        Units of the columns that have one, as text.
    where : str
        As "line 3", for messages.
    file : Path
    decimal_comma : bool
        Whether a comma in a number is a decimal point.
    """

    cells: Mapping[str, Any]
    units: Mapping[str, str]
    where: str
    file: Path
    decimal_comma: bool = False

    def text(self, column: str) -> str:
        """A cell as text, "" if it is blank or masked (then it is None)."""
        value = self.cells.get(column)
        if value is None:
            return ""
        if column == "files" and len(getattr(value, "shape", "")) > 0:  # several in one cell
            return ";".join(map(str, value))
        return (value.decode() if isinstance(value, bytes) else str(value)).strip()

    def redshift(self) -> float:
        """The redshift, NaN if it is unknown; of a column in km/s, velocity over that of light.

        Raises
        ------
        ConfigError
            If it is no number, or none that a galaxy can have.
        """
        text = self._known("redshift")
        value = math.nan if text is None else self._number("redshift", text)
        if (unit := self.units.get("redshift")) is not None:
            if (speed := _factor(unit, "km/s")) is not None:
                value *= speed / LIGHT_KM_S
            elif (pure := _factor(unit, "")) is not None:
                value *= pure
            else:
                raise self._error("the column redshift has a wrong unit", "none, or km/s", unit)
        meaning = suspected_meaning(value)
        if meaning is not None:
            raise self._error(
                f"redshift of galaxy {self.text('galaxy')} cannot be", REDSHIFT_RANGE,
                f"{value:g}", meaning,
            )  # fmt: skip
        return value

    def angle(self, column: str) -> float:
        """`ra` or `dec` in degrees, NaN if unknown; numbers or sexagesimal text (ra in hours).

        Raises
        ------
        ConfigError
            If it is no angle.
        """
        text = self._known(column)
        if text is None:
            return math.nan
        unit = self.units.get(column, "deg")
        if (factor := _factor(unit, "deg")) is None:
            raise self._error(f"the column {column} has a wrong unit", "an angle", unit)
        try:
            return self._number(column, text) * factor
        except ConfigError:
            from survey.cubes.wcs import angle_deg  # slow to load

            degrees = angle_deg(text, is_ra=column == "ra")
            if math.isnan(degrees):
                raise
            return degrees

    def distance_mpc(self) -> float:
        """The luminosity distance in Mpc, NaN if unknown; units of the column are honoured.

        Raises
        ------
        ConfigError
            If it is no positive number, or the unit is none of length.
        """
        text = self._known("distance")
        if text is None:
            return math.nan
        unit = self.units.get("distance", "Mpc")
        if (factor := _factor(unit, "Mpc")) is None:
            raise self._error("the column distance has a wrong unit", "Mpc", unit)
        value = self._number("distance", text) * factor
        if not 0 < value < math.inf:
            raise self._error(
                f"distance of galaxy {self.text('galaxy')} cannot be", "Mpc, above 0", text
            )
        return value

    def _known(self, column: str) -> str | None:
        text = self.text(column)
        return None if text.lower() in _UNKNOWN else text

    def _number(self, column: str, text: str) -> float:
        text = text.replace("\u2212", "-")  # the minus sign of typeset text
        try:
            return float(text.replace(",", ".") if self.decimal_comma else text)
        except ValueError:
            raise self._error(
                f"{column} of galaxy {self.text('galaxy')} is not a number",
                "a number, or an empty cell if it is unknown",
                repr(text),
            ) from None

    def _error(
        self, message: str, expected: str, found: str, advice: str | None = None
    ) -> ConfigError:
        return ConfigError(
            f"{self.where}: {message}",
            file=self.file,
            expected=expected,
            found=found,
            advice=advice,
        )


def _factor(unit: str, wanted: str) -> float | None:
    """By what a value in a unit is multiplied to be in another; None if that makes no sense."""
    if unit == wanted:
        return 1.0
    from astropy import units as u  # slow to load

    given, other = u.Unit(unit), u.Unit(wanted)
    return float(given.to(other)) if given.is_equivalent(other) else None


def is_targets_table(path: Path) -> bool:
    """Whether a file among cubes is a table, by its name."""
    return path.suffix.lower() in _TABLE_SUFFIXES


def read_rows(path: Path) -> list[TargetRow]:
    """The rows of a targets table: text, or anything else astropy recognises by its name.

    Raises
    ------
    ConfigError
        If the table cannot be read, a column is missing, named twice or misspelt, or a row of
        text has too few or too many cells.
    """
    try:
        if path.suffix.lower() in _TEXT_SUFFIXES:
            text = _decoded(path.read_bytes())
            if not text.startswith("# %ECSV"):
                return _of_text(text, path)
        if path.suffix.lower() == ".ecsv" and (plain := read_plain(path)) is not None:
            return _of_columns(plain, path)
        from astropy.table import Table  # slow to load

        return _of_table(Table.read(path), path)
    except ConfigError:
        raise
    except Exception as error:  # astropy raises errors of many unrelated classes
        raise ConfigError(f"cannot read the targets table ({error})", file=path) from None


def _decoded(text: bytes) -> str:
    """Text in UTF-8, or in UTF-16 as Excel writes "Unicode text"."""
    is_utf_16 = text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return text.decode("utf-16" if is_utf_16 else "utf-8-sig")


def _of_table(table: Table, path: Path) -> list[TargetRow]:
    import numpy as np

    for name in [name for name in table.colnames if hasattr(table[name], "icrs")]:
        position = table[name].icrs  # a column of positions
        table.remove_column(name)
        if not {"ra", "dec"} & set(table.colnames):
            table["ra"], table["dec"] = position.ra.deg, position.dec.deg
    units = {name: str(column.unit) for name, column in table.columns.items() if column.unit}
    rows = tuple(
        {name: None if (cell := row[name]) is np.ma.masked else cell for name in table.colnames}
        for row in table
    )
    return _of_columns(PlainTable(tuple(table.colnames), rows, units), path)


def _of_columns(table: PlainTable, path: Path) -> list[TargetRow]:
    names = _checked_names(table.names, path)
    units = {
        name: unit
        for given, name in zip(table.names, names, strict=True)
        if (unit := table.units.get(given)) is not None
    }
    return [
        TargetRow(dict(zip(names, row.values(), strict=True)), units, f"row {i}", path)
        for i, row in enumerate(table.rows, 1)
    ]


def _of_text(text: str, path: Path) -> list[TargetRow]:
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if _is_header(line)), len(lines))
    header = lines[first].lstrip("# ") if first < len(lines) else ""
    delimiter = next((mark for mark in ",;\t" if mark in header), ",")
    reader = csv.reader([header, *lines[first + 1 :]], delimiter=delimiter, skipinitialspace=True)
    names: list[str] | None = None
    units: dict[str, str] = {}
    rows = []
    for cells in reader:
        where = f"line {first + reader.line_num}"
        if names is None:
            names, units = _names_with_units(cells, path)
        elif any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
            if len(cells) != len(names):
                raise ConfigError(
                    f"{where} of the targets table has another number of cells than the first line",
                    file=path,
                    expected=f"{len(names)}: {', '.join(names)}",
                    found=f"{len(cells)}: {delimiter.join(cells)}",
                )
            row = dict(zip(names, cells, strict=True))
            rows.append(TargetRow(row, units, where, path, decimal_comma=delimiter != ","))
    return rows if names is not None else _of_nothing(path)


def _is_header(line: str) -> bool:
    """Whether a line is the first that is not blank or a remark, or the names after a "#"."""
    bare = line.strip()
    return bool(bare) and (
        not bare.startswith("#") or bare.lower().lstrip("# ").startswith("galaxy")
    )


def _names_with_units(cells: Sequence[str], path: Path) -> tuple[list[str], dict[str, str]]:
    """Names of columns, and the units behind them, as "redshift [km/s]" or "ra (deg)".

    Raises
    ------
    ConfigError
        As `_checked_names`, or if there is no such unit.
    """
    found = [_WITH_UNIT.fullmatch(cell.strip()) for cell in cells]
    names = _checked_names(
        [match["name"] if match else cell for match, cell in zip(found, cells, strict=True)], path
    )
    units = {
        name: _checked_unit(name, match["unit"].strip(), path)
        for name, match in zip(names, found, strict=True)
        if match is not None and name in OPTIONAL_COLUMNS
    }
    return names, units


def _checked_unit(column: str, unit: str, path: Path) -> str:
    from astropy import units as u  # slow to load

    try:
        return "" if unit == "-" else str(u.Unit({"hours": "hourangle"}.get(unit, unit)))
    except ValueError:
        raise ConfigError(
            f"the column {column} has an unknown unit",
            file=path,
            expected='one such as "km/s", "deg" or "Mpc", or none',
            found=unit,
        ) from None


def _of_nothing(path: Path) -> list[TargetRow]:
    _checked_names([], path)
    return []


def _checked_names(given: Sequence[str], path: Path) -> list[str]:
    names = [name.strip() for name in given]
    names = [name.lower() if name.lower() in COLUMNS else name for name in names]
    twice = [name for name, count in Counter(names).items() if count > 1 and name in COLUMNS]
    if twice:
        raise ConfigError(f"the targets table has two columns {twice[0]!r}", file=path)
    missing = [column for column in COLUMNS if column not in names]
    for name in names:
        near = get_close_matches(name.lower(), missing, n=1, cutoff=0.75)
        word = re.sub(r"[\s./-]+", "_", name.lower())
        meant = _OTHER_NAMES.get(word) or (near[0] if near else None)
        if name not in COLUMNS and meant in missing:
            raise ConfigError(
                f"the targets table has an unknown column {name!r}",
                file=path,
                expected=", ".join(COLUMNS),
                found=", ".join(names),
                advice=_HOW.get(word, f"Name it {meant!r}, if that is meant"),
            )
    for column in REQUIRED_COLUMNS:
        if column not in names:
            raise ConfigError(
                f"the targets table has no column {column!r}",
                file=path,
                expected=", ".join(COLUMNS),
                found=", ".join(names) or "nothing",
            )
    if others := [name for name in names if name not in COLUMNS]:
        told = f"{path}: columns that are not used: {named(others, SHOWN)}"
        warnings.warn(told, SurveyWarning, stacklevel=2)
    return names
