"""The words that columns are named by: lines and bands, ratios, classes.

They are not the same in all surveys: a user's tables add to them, and which classes there are is a
setting. A catalog keeps its own in its manifest, so that it can be read without the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from catalogs.reference import Reference


@dataclass(frozen=True)
class Feature:
    """A line or a band as columns are named by it and described."""

    name: str
    label: str
    kind: Literal["line", "band"]
    bright: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """Features, ratios and classes, in the order of their columns."""

    features: tuple[Feature, ...]
    ratios: tuple[str, ...]
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, reference: Reference) -> Vocabulary:
        """That of the tables of lines, bands and ratios."""
        lines = (
            Feature(line.name, f"{line.label} {line.wavelength_um:g} um", "line", line.bright)
            for line in reference.lines
        )
        bands = (Feature(band.name, band.label, "band") for band in reference.bands)
        return cls((*lines, *bands), reference.ratio_names)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Vocabulary:
        """What `to_json` gave."""
        return cls(
            tuple(Feature(**feature) for feature in content["features"]),
            tuple(content["ratios"]),
            tuple(content["classes"]),
        )

    def to_json(self) -> dict[str, Any]:
        """All of it in JSON-able values."""
        return asdict(self)

    def with_classes(self, classes: tuple[str, ...]) -> Vocabulary:
        """The same with these classes."""
        return replace(self, classes=classes)


@cache
def shipped_vocabulary() -> Vocabulary:
    """That of the packaged tables, without classes."""
    from catalogs.reference import shipped  # takes astropy, which reading a catalog does not

    return Vocabulary.of(shipped())
