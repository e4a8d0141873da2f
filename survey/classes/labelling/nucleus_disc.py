"""Labels of the nucleus and the disc of a galaxy, without coordinates.

The nucleus is the cluster of the photometric centre; the disc is all other clusters. Their classes
are given, or follow from the type of the galaxy's nuclear activity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Row, Table
from numpy.typing import NDArray

from survey.classes.types import Bools
from survey.errors import DataError

NUCLEUS, DISC = "nucleus", "disc"


@dataclass(frozen=True)
class PlaceLabel:
    """The class of the nucleus or the disc of a galaxy."""

    galaxy: str
    place: str
    class_name: str

    def contains(self, cluster: NDArray[np.integer], nuclear: int) -> Bools:
        """Which spaxels (S,) are in it, by their clusters; none where there is no nucleus."""
        is_nucleus = cluster == nuclear
        inside = is_nucleus if self.place == NUCLEUS else ~is_nucleus
        return np.asarray(inside & (cluster > 0) & (nuclear > 0))


def parse_places(text: str, rules: Iterable[tuple[str, str, str]]) -> tuple[PlaceLabel, ...]:
    """Read the rows of a label table (ECSV) that name places.

    A row has `galaxy` and either `place` and `class`, or the `type` of the galaxy, to which
    the classes of `rules` (beginning of the type, place, class) apply.

    Raises
    ------
    DataError
        If a row says neither, or its type has no rule.
    """
    rules = list(rules)
    table = Table.read(text.splitlines(), format="ascii.ecsv")
    return tuple(label for row in table for label in _labels(_filled(row), rules))


def same_name(name: str, other: str) -> bool:
    """Whether two names of a galaxy differ in nothing but case, blanks and punctuation."""
    return bare_name(name) == bare_name(other)


def bare_name(name: str) -> str:
    """What all ways to write the name of a galaxy have in common."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _labels(row: dict[str, str], rules: Sequence[tuple[str, str, str]]) -> Iterator[PlaceLabel]:
    galaxy, place, kind = (row.get(name, "") for name in ("galaxy", "place", "type"))
    if kind and not place:
        found = [rule for rule in rules if kind.startswith(rule[0])]
        if not (galaxy and found):
            raise DataError(
                "a row of the labels has a type without a label rule",
                expected=f"a galaxy, and a type that begins with {', '.join(r[0] for r in rules)}",
                found=f"{galaxy!r}, {kind!r}",
            )
        yield from (PlaceLabel(galaxy, where, class_name) for _, where, class_name in found)
    elif place:
        if not (galaxy and row.get("class") and place in (NUCLEUS, DISC)):
            raise DataError(
                "a row of the labels has a place without a galaxy or a class",
                expected=f"a galaxy, a class, and {NUCLEUS} or {DISC}",
                found=f"{galaxy!r}, {row.get('class', '')!r}, {place!r}",
            )
        yield PlaceLabel(galaxy, place, row["class"])


def _filled(row: Row) -> dict[str, str]:
    """The row as text, empty where it is masked (ECSV has no empty string)."""
    return {name: "" if row[name] is np.ma.masked else str(row[name]) for name in row.colnames}
