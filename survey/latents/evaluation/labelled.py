"""Spectra with labels, with which representations are evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.errors import DataError
from survey.latents.grid import Floats
from survey.latents.spectra import Names, SpectrumSet

UNKNOWN = ""
"""The class of spectra whose class is unknown."""


@dataclass(frozen=True, eq=False)
class Target:
    """Numbers (n,) to predict from latents, NaN where unknown.

    `circular` marks those made of the very counts that the latents are made of: latents that
    have their noise predict them better, not worse.
    """

    values: Floats
    circular: bool = False


@dataclass(frozen=True, eq=False)
class LabelledSpectra:
    """n spectra of p bins with labels; all but the spectra may be left out.

    Attributes
    ----------
    spectra : SpectrumSet
        Their `sources` are never parted between training and test.
    classes : array (n,) of str
        "" where unknown.
    groupings : mapping of str to mapping of str to str
        Coarser classes: for each name, which class belongs to which; others take no part.
    label_sets : mapping of str to array (n,) of str
        The same classes for some of the sources only, "" for the others: scored apart, as
        labels of a certain origin.
    targets : mapping of str to Target
        To be regressed on latents.
    variability : mapping of str to array (n,)
        What latents may share information with, though spectra do not say it outright.
    confounders : mapping of str to array (n,)
        Circumstances of the observation, which latents should know nothing of.
    expected, expected_source : array (n, p), optional
        Expected values without noise, with the background and without.
    """

    spectra: SpectrumSet
    classes: Names | None = None
    groupings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    label_sets: Mapping[str, Names] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    variability: Mapping[str, Floats] = field(default_factory=dict)
    confounders: Mapping[str, Floats] = field(default_factory=dict)
    expected: Floats | None = None
    expected_source: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.spectra)
        arrays: dict[str, NDArray[Any] | None] = {
            "classes": self.classes,
            **{f"label sets: {name}": names for name, names in self.label_sets.items()},
            **{f"targets: {name}": target.values for name, target in self.targets.items()},
            **{f"variability: {name}": values for name, values in self.variability.items()},
            **{f"confounders: {name}": values for name, values in self.confounders.items()},
        }
        for name, array in arrays.items():
            if array is not None and array.shape != (n,):
                raise DataError(f"wrong labels {name!r}", expected=f"{n}", found=f"{array.shape}")
        for name in ("expected", "expected_source"):
            table = getattr(self, name)
            if table is not None and table.shape != self.spectra.values.shape:
                raise DataError(
                    f"wrong labels {name!r}",
                    expected=f"shape {self.spectra.values.shape}",
                    found=f"{table.shape}",
                )

    def __len__(self) -> int:
        return len(self.spectra)

    def labels(self) -> dict[str, Names]:
        """The classes, and the coarser ones of each grouping, by name; "" where none."""
        if self.classes is None:
            return {}
        known = sorted(set(self.classes.tolist()) - {UNKNOWN})
        found = {f"{len(known)} classes": self.classes}
        for name, members in self.groupings.items():
            coarse = [members.get(label, UNKNOWN) for label in self.classes.tolist()]
            found[name] = np.array(coarse, dtype=np.str_)
        found |= dict(self.label_sets)
        return {name: labels for name, labels in found.items() if len(set(labels) - {UNKNOWN}) > 1}

    def rows(self, which: NDArray[Any]) -> LabelledSpectra:
        """Some of the spectra, with their labels; `which` as for `SpectrumSet.rows`."""

        def part(array: Any) -> Any:
            return None if array is None else array[which]

        return replace(
            self,
            spectra=self.spectra.rows(which),
            classes=part(self.classes),
            label_sets={k: names[which] for k, names in self.label_sets.items()},
            targets={k: replace(t, values=t.values[which]) for k, t in self.targets.items()},
            variability={k: values[which] for k, values in self.variability.items()},
            confounders={k: values[which] for k, values in self.confounders.items()},
            expected=part(self.expected),
            expected_source=part(self.expected_source),
        )
