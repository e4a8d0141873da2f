"""The thresholds of `survey validate`: `data/validation.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from catalogs.durable import hash_bytes
from catalogs.errors import CatalogError
from catalogs.reference.files import read_toml

FILE = "validation.toml"


@dataclass(frozen=True)
class Question:
    """One question, and when its answer counts as good.

    Attributes
    ----------
    asks : str
        The question in words.
    least : float, optional
        Least good value.
    least_of_null : float, optional
        Least good value over the median of the simulated galaxies.
    most : float, optional
        Largest good value.
    above_null : bool
        Whether a good value exceeds all simulations, which are of chance.
    counts : bool
        Whether it counts in the stability of the galaxy.
    decides : bool
        Whether a bad answer alone makes the galaxy sensitive.
    needed : bool
        Whether a galaxy is robust only if the answer is good.
    unsure_to : float, optional
        Values from `most` to this one are neither good nor bad.
    variants : mapping
        Rules of single variants; what they do not say is as for the question.
    """

    asks: str
    least: float | None = None
    least_of_null: float | None = None
    most: float | None = None
    above_null: bool = False
    counts: bool = False
    decides: bool = False
    needed: bool = False
    unsure_to: float | None = None
    variants: Mapping[str, Question] = field(default_factory=dict)


@dataclass(frozen=True)
class Thresholds:
    """The content of the table.

    Attributes
    ----------
    questions : mapping
        By name.
    galaxy_least, cluster_least : float
        Least stability of a robust galaxy and of a robust cluster.
    least_power : float
        A question is not judged if simulated galaxies that have the clusters give less than this.
    digest : str
        Hash of the file.
    """

    questions: Mapping[str, Question]
    galaxy_least: float
    cluster_least: float
    least_power: float
    digest: str


@cache
def packaged_thresholds() -> Thresholds:
    """The packaged thresholds."""
    file = Path(str(files("catalogs") / "data" / FILE))
    return read_thresholds(file)


def read_thresholds(file: Path) -> Thresholds:
    """Thresholds of a file.

    Raises
    ------
    CatalogError
        If it cannot be read, or lacks or has an entry that it should not.
    """
    content = read_toml(file)
    try:
        verdict = content["verdict"]
        questions = {name: _question(entry) for name, entry in content["questions"].items()}
        return Thresholds(
            questions,
            float(verdict["galaxy_least"]),
            float(verdict["cluster_least"]),
            float(verdict["least_power"]),
            hash_bytes(file.read_bytes()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CatalogError(
            "not a table of thresholds of a validation",
            file=file,
            expected="[verdict] and [questions.NAME] as in catalogs/data/validation.toml",
            found=f"{type(error).__name__}: {error}",
        ) from None


def _question(entry: Mapping[str, Any]) -> Question:
    """A question; its variants have its rules where they have none of their own."""
    own = {name: value for name, value in entry.items() if name != "variants"}
    variants = {name: Question(**own | more) for name, more in entry.get("variants", {}).items()}
    return Question(**own, variants=variants)
