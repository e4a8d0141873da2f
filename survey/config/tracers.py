"""The file of `survey validate --tracers`: maps and tables made without the clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from survey.config.base import SettingsTable
from survey.config.toml_file import read_toml
from survey.errors import ConfigError

Kind = Literal["classes", "continuous", "velocity"]
PLACEHOLDER = "{galaxy}"


class TracerSettings(SettingsTable):
    """One map or table; the name of its table in the file is that of the tracer.

    `kind`: "classes" (a map of whole numbers, or a table with a class), "continuous", or
    "velocity" (km/s). One of three says where it is, beside this file: `map`, a FITS image of all
    galaxies, or of every galaxy its own with {galaxy} in its name; `maps`, a FITS image for every
    galaxy by its name; `table`, positions of all galaxies (columns ra, dec and `column`).
    `galaxies`: only these; all of the run if not given.

    Of maps: `extension`, its name or number (the first image if not given); `plane`, from 0, of
    several; `missing`, values that stand for no value; `resample`, of continuous maps:
    "interpolate", or "flux-conserving" if the values are fluxes per pixel. Of maps of classes:
    `classes`, their names by number; where some are named, other numbers are left out. Of tables:
    `column`, with the class or the value ("class" or "value" if not given); `radius_arcsec`, up to
    which spaxels have the class or the value of a position (0: only the spaxel that it is in);
    `elsewhere`, the class of all others. `draws`: of the null.
    """

    kind: Kind
    map: str | None = None
    maps: dict[str, str] | None = None
    table: str | None = None
    galaxies: tuple[str, ...] = ()
    extension: str | int | None = None
    plane: int | None = Field(default=None, ge=0)
    missing: tuple[float, ...] = ()
    resample: Literal["interpolate", "flux-conserving"] = "interpolate"
    classes: dict[str, str] | None = None
    column: str | None = None
    radius_arcsec: float = Field(default=0.0, ge=0)
    elsewhere: str | None = None
    draws: int = Field(default=999, ge=19, le=100_000)

    @model_validator(mode="after")
    def _is_one_thing(self) -> TracerSettings:
        given = [name for name in ("map", "maps", "table") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of map, maps and table, and has {len(given)}")
        if self.maps is not None and self.galaxies:
            raise ValueError("maps names the galaxies: leave galaxies out")
        if self.kind != "classes":
            for name in ("classes", "elsewhere"):
                if getattr(self, name) is not None:
                    raise ValueError(f'{name} is for kind = "classes"')
        if self.kind != "continuous" and self.resample != "interpolate":
            raise ValueError('resample is for kind = "continuous"')
        if self.table is None and self.elsewhere is not None:
            raise ValueError("elsewhere is for a table")
        for number in self.classes or {}:
            if not number.removeprefix("-").isdigit():
                raise ValueError(f"classes are named by whole numbers, and {number!r} is none")
        return self

    @property
    def column_name(self) -> str:
        """The column of a table that it reads."""
        return self.column or ("class" if self.kind == "classes" else "value")

    def named_galaxies(self) -> tuple[str, ...]:
        """The galaxies that it names; none if it is of all."""
        return tuple(self.maps) if self.maps is not None else self.galaxies

    def file_of(self, galaxy: str) -> str:
        """Where it is of a galaxy, as written."""
        if self.table is not None:
            return self.table
        if self.maps is not None:
            return self.maps[galaxy]
        assert self.map is not None
        return self.map.replace(PLACEHOLDER, galaxy)


def load_tracers(path: str | Path) -> dict[str, TracerSettings]:
    """The tracers of a file by name, in its order.

    Raises
    ------
    ConfigError
        If it is missing, is not TOML, names no tracer, or one is not as it should be; all problems
        are in one message.
    """
    from survey.config.near_misses import problem_of

    path = Path(path)
    values = read_toml(path, "file of tracers")
    found: dict[str, TracerSettings] = {}
    problems = [] if values else ["it names no tracer"]
    for name, entry in values.items():
        if not isinstance(entry, dict):
            problems.append(f"{name} is no table: a tracer begins with [NAME]")
            continue
        try:
            found[name] = TracerSettings.model_validate(entry)
        except ValidationError as error:
            texts = (problem_of(one, TracerSettings) for one in error.errors())
            problems += [f"{name}: {text.removeprefix('settings: ')}" for text in texts]
    if problems:
        raise ConfigError(
            f"invalid tracers: {'; '.join(problems)}",
            file=path,
            expected='tables like [bpt] with kind = "classes" and map = "bpt.fits"',
        )
    return found
