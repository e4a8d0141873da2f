"""Reads and writes the ECSV that our own tables are, without loading astropy.

ECSV is a table of text with the types and units of its columns in a header of YAML. Its reader in
astropy takes half a second to load, which is longer than a finished survey needs for all else. Here
only the plain form is read: one line of the header for each column, cells of text, numbers or
"True", none of them empty. Whatever else a table has, `read_plain` gives None and astropy reads it.

References
----------
ECSV: Astropy Proposal for Enhancement 6, doi:10.5281/zenodo.4792325
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START = ["# %ECSV 1.0", "# ---", "# datatype:"]
COLUMN = re.compile(
    r"# - \{name: (?P<name>[A-Za-z_]\w*)"
    r"(?:, unit: (?P<unit>[\w/.^*-]+))?"
    r", datatype: (?P<type>\w+)"
    r'(?:, description: (?:"[^"\\]*"|[^",:{}\[\]#&*!|>%@`\\\']*))?\}'
)
DELIMITER = re.compile(r"# delimiter: '?(?P<mark>[, ])'?")


def _number(cell: str) -> str:
    if "_" in cell:  # Python would read 1_000.
        raise ValueError(cell)
    return cell


TYPES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "float64": lambda cell: float(_number(cell)),
    "int64": lambda cell: int(_number(cell)),
    "bool": {"True": True, "False": False}.__getitem__,
}


@dataclass(frozen=True)
class PlainTable:
    """Names of the columns of a table, its rows, and the units of the columns that have one."""

    names: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    units: Mapping[str, str]


def read_plain(path: Path) -> PlainTable | None:
    """Read a table of the plain form; None if it is not, or is not right.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, csv.Error):  # also text that is not UTF-8
        return None


def _parsed(text: str) -> PlainTable | None:
    lines = text.split("\n")
    n_head = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    head, body = lines[:n_head], [line for line in lines[n_head:] if line]
    if head[:3] != START or any(line.startswith("#") or "\r" in line for line in body):
        return None
    columns: list[re.Match[str]] = []
    mark = " "
    for line in head[3:]:
        if column := COLUMN.fullmatch(line):
            columns.append(column)
        elif delimiter := DELIMITER.fullmatch(line):
            mark = delimiter["mark"]
        elif line.startswith(("# meta:", "# schema:")):
            break
        else:
            return None
    names, kinds = [each["name"] for each in columns], [TYPES[each["type"]] for each in columns]
    cells = list(csv.reader(body, delimiter=mark, strict=True))
    if len(cells) != len(body) or cells[:1] != [names]:
        return None
    rows = tuple(
        {name: kind(cell) for name, kind, cell in zip(names, kinds, row, strict=True)}
        for row in cells[1:]
    )
    return PlainTable(
        tuple(names), rows, {each["name"]: each["unit"] for each in columns if each["unit"]}
    )


def plain_lines(types: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The lines of a table, which astropy reads, too; text is in quotes.

    Parameters
    ----------
    types : mapping
        Names of the columns and their types in ECSV.
    rows : iterable of sequence
    """
    yield from START
    yield from (f"# - {{name: {name}, datatype: {kind}}}" for name, kind in types.items())
    yield "# schema: astropy-2.0"
    yield " ".join(types)
    for row in rows:
        yield " ".join(_quoted(cell) if isinstance(cell, str) else repr(cell) for cell in row)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
