"""The names of lines, bands, ratios and classes that columns are named after.

They differ between surveys: a user's tables add lines, bands and ratios, and the classes are a
setting. A catalog keeps its own vocabulary in its manifest, so that it can be read without the run.
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
    """A line or a band, as the names and descriptions of columns need it."""

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
        """The vocabulary of the reference tables, without classes."""
        lines = (
            Feature(line.name, f"{line.label} {line.wavelength_um:g} um", "line", line.bright)
            for line in reference.lines
        )
        bands = (Feature(band.name, band.label, "band") for band in reference.bands)
        return cls((*lines, *bands), reference.ratio_names)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary from JSON values of `to_json`."""
        return cls(
            tuple(Feature(**feature) for feature in content["features"]),
            tuple(content["ratios"]),
            tuple(content["classes"]),
        )

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as JSON values."""
        return asdict(self)

    def with_classes(self, classes: tuple[str, ...]) -> Vocabulary:
        """The same vocabulary with these classes."""
        return replace(self, classes=classes)


@cache
def packaged_vocabulary() -> Vocabulary:
    """The vocabulary of the packaged tables, without classes."""
    from catalogs.reference import (
        packaged_reference,  # needs astropy, which reading a catalog does not
    )

    return Vocabulary.of(packaged_reference())
