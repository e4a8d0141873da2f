"""The targets of a survey: from a table, or from cubes named on the command line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from catalogs.durable import replacing
from catalogs.printable import printable
from catalogs.reference.plain_ecsv import plain_lines
from survey.cubes.files.cube_file import CubeFile
from survey.errors import ConfigError, DataError
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.target_table import TargetRow, read_rows
from survey.spectra.redshift import REDSHIFT_RANGE, suspected_meaning

FILE_SEPARATOR = ";"
TARGETS_FILE = "targets.ecsv"
"""The table that a run keeps of its targets."""

NUMBERS = dict.fromkeys(("redshift", "ra", "dec", "distance"), "float64")


def read_targets(path: str | Path) -> list[Target]:
    """Read a targets table: ECSV, CSV or anything else astropy recognises by its name.

    Columns: `galaxy`; `files`, separated by ";", paths relative to the table's own folder (or "~"),
    or URLs; `redshift`, `ra`, `dec` (degrees) and `distance` (Mpc), which may be missing, masked,
    blank, "-" or "N/A". Positions may be sexagesimal, the right ascension then in hours. Units of
    columns are honoured: a redshift in km/s, a right ascension in hours; in text they stand in the
    names, as "redshift [km/s]". Names are text, zeros in front included.

    Raises
    ------
    ConfigError
        If the table cannot be read, lacks a column, names a galaxy twice or not at all, or if a
        redshift or a coordinate is not a number or cannot be.
    """
    path = Path(path)
    return _unique([_from_row(row) for row in read_rows(path)], path)


def write_targets(targets: Iterable[Target], path: str | Path) -> None:
    """Write targets as ECSV, with absolute paths, so that `read_targets` gives them back."""
    rows = [
        (
            target.galaxy,
            FILE_SEPARATOR.join(file.recorded for file in target.files),
            *map(float, (target.redshift, target.ra_deg, target.dec_deg, target.distance_mpc)),
        )
        for target in sorted(targets, key=lambda target: target.galaxy)
    ]
    lines = plain_lines({"galaxy": "string", "files": "string", **NUMBERS}, rows)
    with replacing(Path(path)) as unfinished:
        unfinished.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def targets_from_cubes(
    cubes: Iterable[str | Path], *, redshift: float = math.nan, merge_bands: bool = False
) -> list[Target]:
    """Make targets of cubes given by name.

    Without merging, every cube is a galaxy of its own, named like its file. With it, the
    cubes whose headers name the same target are the sub-bands of one galaxy of that name.
    """
    check_redshift(redshift)
    groups: dict[str, list[CubeFile]] = {}
    for cube in map(CubeFile.of, cubes):
        _check_file_name(cube)
        name = (merge_bands and _header_target(cube)) or file_stem(cube)
        groups.setdefault(name, []).append(cube)
    targets = []
    for name, files in groups.items():
        sets = [tuple(sorted(files))] if merge_bands else [(file,) for file in files]
        names = [name] if len(sets) == 1 else [_name_with_folder(file) for (file,) in sets]
        targets += [Target(n, s, redshift) for n, s in zip(names, sets, strict=True)]
    return _unique(targets, "command line")


def _check_file_name(file: CubeFile) -> None:
    """Check that the targets table of the run can hold the path of a file."""
    path = file.address
    whole = path.encode(errors="replace").decode() == path
    if not whole or FILE_SEPARATOR in path or path.strip() != path:
        raise ConfigError(
            "the path of the file cannot be kept in a table",
            file=path,
            expected=f"text without {FILE_SEPARATOR!r} and without blanks at its end",
            found=printable(path),
            advice="Rename the file, or make a link to it",
        )


def check_redshift(redshift: float) -> None:
    """Check a redshift of the command line; NaN is an unknown one.

    Raises
    ------
    ConfigError
        If no galaxy can have it.
    """
    meaning = suspected_meaning(redshift)
    if meaning is not None:
        raise ConfigError(
            "--redshift cannot be",
            expected=REDSHIFT_RANGE,
            found=f"{redshift:g}",
            advice=meaning,
        )


def _header_target(cube: CubeFile) -> str:
    from survey.cubes.registry import target_name  # slow to load

    try:
        return target_name(cube)
    except (DataError, OSError):
        return ""  # The run will quarantine it, under the name of its file.


def file_stem(file: Path | CubeFile) -> str:
    """The name of a file without the endings of FITS files and archives."""
    name = file.name
    for suffix in (".gz", ".bz2", ".xz", ".zip", ".fits", ".fit"):
        name = name.removesuffix(suffix)
    return printable(name)


def _name_with_folder(file: CubeFile) -> str:
    return printable(f"{file.folder_name}-{file_stem(file)}")


def _from_row(row: TargetRow) -> Target:
    galaxy = row.text("galaxy")
    if not galaxy:
        raise ConfigError(
            f"{row.where} of the targets table has no name of a galaxy",
            file=row.file,
            expected="a name in the column galaxy",
            found="nothing",
        )
    if printable(galaxy) != galaxy:
        raise ConfigError(
            f"{row.where} of the targets table: the name of the galaxy has a character that does "
            "not print",
            file=row.file,
            expected="letters, digits, signs and blanks",
            found=printable(galaxy),
            advice="Write the name anew; such characters come with copied text",
        )
    names = [_at_home(name.strip()) for name in row.text("files").split(FILE_SEPARATOR)]
    try:
        files = tuple(CubeFile.of(name, row.file.parent) for name in names if name)
        for file in files:
            file.check_package()
    except ConfigError as error:
        error.message = f"{row.where} of {row.file.name}, galaxy {galaxy}: {error.message}"
        raise
    if not files:
        raise ConfigError(
            f"galaxy {galaxy} has no files in the targets table",
            file=row.file,
            advice=f"Give one or more in the column files, separated by {FILE_SEPARATOR}",
        )
    return Target(
        galaxy, files, row.redshift(), row.angle("ra"), row.angle("dec"), row.distance_mpc()
    )


def _at_home(name: str) -> str:
    """The path with the home folder in place of "~"."""
    return str(Path(name).expanduser()) if name.startswith("~/") else name


def _unique(targets: list[Target], source: str | Path) -> list[Target]:
    seen: set[str] = set()
    for target in targets:
        if target.galaxy in seen:
            raise ConfigError(f"galaxy {target.galaxy!r} is named twice", file=source)
        seen.add(target.galaxy)
    return targets
