"""Checks of arguments; the errors name the argument."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from survey.config import PRESETS, Settings, build_settings, load_settings
from survey.cubes.files.cube_file import CubeFile
from survey.errors import ConfigError
from survey.spectra.redshift import REDSHIFT_RANGE, suspected_meaning

Files = str | Path | CubeFile | Iterable[str | Path | CubeFile]


def as_files(files: Files, argument: str) -> tuple[CubeFile, ...]:
    """Existing files, which may be URLs, sorted by name.

    Raises
    ------
    ConfigError
        If there is none, or one does not exist.
    """
    if isinstance(files, str | Path | CubeFile):
        files = [files]
    try:
        paths = tuple(sorted(CubeFile.of(_place(file)) for file in files))
    except TypeError:
        raise ConfigError(
            f"{argument}: not files", expected="a path or a list of paths", found=repr(files)[:80]
        ) from None
    if not paths:
        raise ConfigError(f"{argument}: no files", expected="one path or more")
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"{argument}: no such file", file=path.address)
    return paths


def _place(file: object) -> str | Path | CubeFile:
    if isinstance(file, str | Path | CubeFile):
        return file
    raise TypeError


def as_redshift(redshift: float | None) -> float:
    """A redshift that can be; NaN for None.

    Raises
    ------
    ConfigError
        If it is not a number, or no galaxy can have it.
    """
    if redshift is None:
        return math.nan
    try:
        number = float(redshift)
    except (TypeError, ValueError):
        raise ConfigError("redshift: not a number", found=repr(redshift)) from None
    meaning = suspected_meaning(number)
    if meaning is not None or math.isinf(number):
        raise ConfigError(
            "redshift: no galaxy has it", expected=REDSHIFT_RANGE, found=f"{number:g}",
            advice=meaning,
        )  # fmt: skip
    return number


def as_settings(
    settings: Mapping[str, Any] | str | Path | None, *, preset: str | None, k: int | None
) -> Settings:
    """Settings from the arguments of a function.

    Raises
    ------
    ConfigError
        If one is not valid.
    """
    given: dict[str, Any] = {}
    if preset is not None:
        if preset not in PRESETS:
            raise ConfigError("preset: unknown", expected=" or ".join(PRESETS), found=repr(preset))
        given["preset"] = preset
    if k is not None:
        if isinstance(k, bool) or not hasattr(k, "__index__") or int(k) < 1:
            raise ConfigError("k: not a number of clusters", expected="1 or more", found=repr(k))
        given["cut"] = {"criterion": "fixed", "k": int(k)}
    if settings is None:
        return build_settings(given)
    if isinstance(settings, str | Path):
        return load_settings(settings, given)
    if not isinstance(settings, Mapping):
        raise ConfigError(
            "settings: neither a mapping nor a file",
            expected='for example {"prepare.window": "ch3-short"}',
            found=repr(settings)[:80],
        )
    nested = _nested(settings)
    for table, values in given.items():
        nested[table] = nested.get(table, {}) | values if isinstance(values, dict) else values
    try:
        return build_settings(nested)
    except ConfigError as error:
        raise ConfigError(f"settings: {error.message.removeprefix('invalid settings: ')}") from None


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose names may have dots, as tables in tables."""
    nested: dict[str, Any] = {}
    for name, value in settings.items():
        *tables, key = str(name).split(".")
        place = nested
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise ConfigError(f"settings: {table!r} is given both as a table and as a value")
        if isinstance(value, Mapping) and isinstance(place.get(key), dict):
            place[key] |= _nested(value)
        else:
            place[key] = _nested(value) if isinstance(value, Mapping) else value
    return nested
