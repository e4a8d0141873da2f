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
    """Features, ratios and classes that have columns in `clusters`, in the order of those.

    These are bands and common lines within the window of the run: tables of more than 999 columns
    fit no FITS file. Rare lines are in the table `measurements`, like all others.
    """

    features: tuple[Feature, ...]
    ratios: tuple[str, ...]
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, reference: Reference, window_um: tuple[float, float] | None = None) -> Vocabulary:
        """The vocabulary of the reference tables, without classes.

        `window_um` is the rest-frame window of the run; everything if not given.
        """
        low, high = window_um or (0.0, float("inf"))
        lines = [
            Feature(line.name, f"{line.label} {line.wavelength_um:g} um", "line", line.bright)
            for line in reference.lines
            if line.common and low <= line.wavelength_um <= high
        ]
        bands = [
            Feature(band.name, band.label, "band")
            for band in reference.bands
            if low <= band.integration_um[0] and band.integration_um[1] <= high
        ]
        names = {feature.name for feature in (*lines, *bands)}
        ratios = tuple(
            name
            for name in reference.ratio_names
            if names.issuperset(name.replace("/", "+").split("+"))
        )
        return cls((*lines, *bands), ratios)

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
