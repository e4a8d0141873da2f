"""The targets of a survey: from a table, or from cubes named on the command line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from astropy.table import Row, Table

from catalogs.durable import replacing
from survey.cubes.registry import target_name
from survey.errors import ConfigError, DataError
from survey.pipeline.galaxy.target import Target

FILE_SEPARATOR = ";"
REQUIRED_COLUMNS = ("galaxy", "files")
OPTIONAL_COLUMNS = ("redshift", "ra", "dec")


def read_targets(path: str | Path) -> list[Target]:
    """Read a targets table: ECSV, CSV or anything else astropy recognises by its name.

    Columns: `galaxy`; `files`, separated by ";" and relative to the table's own folder;
    `redshift`, `ra` and `dec` (degrees), which may be missing or masked.

    Raises
    ------
    ConfigError
        If the table cannot be read, lacks a column, names a galaxy twice, or if a redshift or a
        coordinate is not a number.
    """
    path = Path(path)
    try:
        table = Table.read(path)
    except Exception as error:  # astropy raises errors of many unrelated classes
        raise ConfigError(f"cannot read the targets table ({error})", file=path) from None
    for name in REQUIRED_COLUMNS:
        if name not in table.colnames:
            raise ConfigError(
                f"the targets table has no column {name!r}",
                file=path,
                expected=", ".join(REQUIRED_COLUMNS + OPTIONAL_COLUMNS),
                found=", ".join(table.colnames),
            )
    return _unique([_from_row(row, path) for row in table], path)


def write_targets(targets: Iterable[Target], path: str | Path) -> None:
    """Write targets as ECSV, with absolute paths, so that `read_targets` gives them back."""
    rows = [
        {
            "galaxy": target.galaxy,
            "files": FILE_SEPARATOR.join(str(file.resolve()) for file in target.files),
            "redshift": target.redshift,
            "ra": target.ra_deg,
            "dec": target.dec_deg,
        }
        for target in sorted(targets, key=lambda target: target.galaxy)
    ]
    with replacing(Path(path)) as unfinished:
        Table(rows).write(unfinished, format="ascii.ecsv")


def targets_from_cubes(
    cubes: Iterable[str | Path], *, redshift: float = math.nan, merge_bands: bool = False
) -> list[Target]:
    """Make targets of cubes given by name.

    Without merging, every cube is a galaxy of its own, named like its file. With it, the
    cubes whose headers name the same target are the sub-bands of one galaxy of that name.
    """
    groups: dict[str, list[Path]] = {}
    for cube in map(Path, cubes):
        name = (merge_bands and _header_target(cube)) or _stem(cube)
        groups.setdefault(name, []).append(cube)
    targets = []
    for name, files in groups.items():
        sets = [tuple(sorted(files))] if merge_bands else [(file,) for file in files]
        names = [name] if len(sets) == 1 else [_name_with_folder(file) for (file,) in sets]
        targets += [Target(n, s, redshift) for n, s in zip(names, sets, strict=True)]
    return _unique(targets, "command line")


def _header_target(cube: Path) -> str:
    try:
        return target_name(cube)
    except DataError:
        return ""  # The run will quarantine it, under the name of its file.


def _stem(file: Path) -> str:
    name = file.name
    for suffix in (".gz", ".fits", ".fit"):
        name = name.removesuffix(suffix)
    return name


def _name_with_folder(file: Path) -> str:
    return f"{file.resolve().parent.name}-{_stem(file)}"


def _from_row(row: Row, table: Path) -> Target:
    names = [name.strip() for name in str(row["files"]).split(FILE_SEPARATOR)]
    files = tuple(table.parent / name for name in names if name)
    if not files:
        raise ConfigError(
            f"galaxy {row['galaxy']!s} has no files in the targets table",
            file=table,
            advice=f"Give one or more in the column files, separated by {FILE_SEPARATOR}",
        )
    numbers = [_number(row, name, table) for name in OPTIONAL_COLUMNS]
    return Target(str(row["galaxy"]), files, *numbers)


def _number(row: Row, name: str, table: Path) -> float:
    value: Any = row[name] if name in row.colnames else None
    if value is None or getattr(value, "mask", False):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{name} of galaxy {row['galaxy']!s} is not a number",
            file=table,
            expected="a number, or an empty cell if it is unknown",
            found=repr(str(value)),
        ) from None


def _unique(targets: list[Target], source: str | Path) -> list[Target]:
    seen: set[str] = set()
    for target in targets:
        if target.galaxy in seen:
            raise ConfigError(f"galaxy {target.galaxy!r} is named twice", file=source)
        seen.add(target.galaxy)
    return targets
