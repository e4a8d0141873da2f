"""What ratios of lines are taken, and what is known of the planes they span.

Sets of ratios, demarcation lines, and what the nuclear activity of a galaxy says of its
regions, as tables in `catalogs/data`. What is done with them is a matter of `survey.classes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import as_file
from itertools import combinations
from typing import Any, NamedTuple

from astropy.table import Row

from catalogs.errors import CatalogError
from catalogs.reference import packaged_file, read_rows


class RatioRow(NamedTuple):
    """Two features, or sums `A+B` of features, to be divided."""

    numerator: str
    denominator: str

    @property
    def name(self) -> str:
        """As in the names of columns."""
        return f"{self.numerator}/{self.denominator}"


class PlaceClass(NamedTuple):
    """The class of a place in galaxies whose nuclear activity begins with `type`."""

    type: str
    place: str
    class_name: str


@cache
def ratio_sets() -> dict[str, tuple[RatioRow, ...]]:
    """The named sets of ratios, each in its order."""
    with as_file(packaged_file("ratios.ecsv")) as path:
        rows = read_rows(path, lambda row: (str(row["set"]), tuple(_expanded(row))))
    sets: dict[str, tuple[RatioRow, ...]] = {}
    for name, ratios in rows:
        sets[name] = sets.get(name, ()) + ratios
    return sets


def load_ratios(name: str) -> tuple[RatioRow, ...]:
    """One named set of ratios.

    Raises
    ------
    CatalogError
        If there is no such set.
    """
    sets = ratio_sets()
    if name not in sets:
        raise CatalogError(f"no set of ratios is called {name!r}", expected=" or ".join(sets))
    return sets[name]


@cache
def ratio_names() -> tuple[str, ...]:
    """Names of the ratios of all sets, each once."""
    return tuple(dict.fromkeys(ratio.name for ratios in ratio_sets().values() for ratio in ratios))


@cache
def load_demarcations() -> tuple[dict[str, Any], ...]:
    """Rows of the table of demarcation lines, in the order in which they are applied."""
    with as_file(packaged_file("demarcations.ecsv")) as path:
        return tuple(read_rows(path, _plain))


@cache
def load_place_classes() -> tuple[PlaceClass, ...]:
    """What the nuclear activity of a galaxy says of its nucleus and disc."""
    with as_file(packaged_file("place_classes.ecsv")) as path:
        return tuple(
            read_rows(
                path, lambda row: PlaceClass(str(row["type"]), str(row["place"]), str(row["class"]))
            )
        )


def _expanded(row: Row) -> Iterator[RatioRow]:
    """The ratio of a row, or without a denominator every pair of the features it lists."""
    if row["denominator"]:
        yield RatioRow(str(row["numerator"]), str(row["denominator"]))
    else:
        yield from (RatioRow(*pair) for pair in combinations(str(row["numerator"]).split(), 2))


def _plain(row: Row) -> dict[str, Any]:
    return {
        name: str(row[name]) if row[name].dtype.kind in "OU" else row[name].item()
        for name in row.colnames
    }
