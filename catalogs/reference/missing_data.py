"""The table `data/missing_data.toml`: what every kind of cube means by "no data here"."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from catalogs.errors import CatalogError

FILE = "missing_data.toml"
EVERY_READER = "every reader"

When = Literal[
    "bit",
    "not zero",
    "not positive",
    "one of",
    "flux not finite",
    "error infinite",
    "zero without error",
    "zero throughout",
]
OF_AN_IMAGE = ("bit", "not zero", "not positive")
"""Tests of an image of the file; the others look at the flux and its error."""


@dataclass(frozen=True)
class MissingRule:
    """One reason why a voxel has no data.

    Attributes
    ----------
    name : str
        For the user.
    when : str
        The test, as the table describes it. "one of" (the flux is one of `values`) is there for the
        settings of the generic reader.
    extension : str
        The image that is tested; "" if it is the flux or the error.
    bit : int
        Number of the bit, from 0.
    values : tuple of float
    """

    name: str
    when: When
    extension: str = ""
    bit: int = 0
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.when not in get_args(When) or (self.when in OF_AN_IMAGE) != bool(self.extension):
            raise ValueError(f"{self.name}: no such test, or without its extension")
        if not 0 <= self.bit < 63:
            raise ValueError(f"{self.name}: no such bit")


@dataclass(frozen=True)
class MissingData:
    """The rules of one reader, and where they are written down."""

    rules: tuple[MissingRule, ...]
    source: str


@cache
def missing_data() -> Mapping[str, MissingData]:
    """The table, by reader.

    Raises
    ------
    CatalogError
        If an entry cannot be read.
    """
    text = (files("catalogs") / "data" / FILE).read_text(encoding="utf-8")
    return {name: _entry(name, entry) for name, entry in tomllib.loads(text).items()}


def rules_of_every_reader() -> tuple[MissingRule, ...]:
    """The rules about the flux and its error, which hold for all cubes."""
    return missing_data()[EVERY_READER].rules


def _entry(name: str, entry: Mapping[str, Any]) -> MissingData:
    try:
        rules = tuple(MissingRule(**rule) for rule in entry["rules"])
        return MissingData(rules, str(entry["source"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CatalogError(
            f"the rules of {name!r} cannot be read ({error})",
            file=FILE,
            expected="rules with name and when, and a source",
        ) from None
