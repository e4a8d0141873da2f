"""Initial labels of all clusters of a survey, from a file of regions and places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from catalogs.durable import hash_bytes
from catalogs.reference import Reference, packaged_reference
from survey.classes.labelling.labels import label_clusters
from survey.classes.labelling.nucleus_disc import PlaceLabel, bare_name, parse_places
from survey.classes.labelling.regions import LabelRegion, parse_regions
from survey.classes.types import UNLABELLED
from survey.config import ClassSettings
from survey.errors import ConfigError, DataError

FORMATS = {".reg": "ds9", ".ecsv": "ecsv"}

L = TypeVar("L", LabelRegion, PlaceLabel)


@dataclass(frozen=True)
class LabelFile:
    """The content of a file of labels, and the hash of its text."""

    path: Path
    content_hash: str
    regions: tuple[LabelRegion, ...]
    places: tuple[PlaceLabel, ...]

    @property
    def classes(self) -> set[str]:
        """Classes that occur in it."""
        return {region.class_name for region in self.regions} | {p.class_name for p in self.places}

    def unknown_galaxies(self, galaxies: Iterable[str]) -> list[str]:
        """Galaxies in it that the survey does not have."""
        known = {bare_name(galaxy) for galaxy in galaxies}
        named = {region.galaxy for region in self.regions} | {p.galaxy for p in self.places}
        return sorted(name for name in named - {""} if bare_name(name) not in known)

    def of(self, galaxy: str) -> tuple[list[LabelRegion], list[PlaceLabel]]:
        """Regions and places of one galaxy, and regions without a galaxy name."""
        name = bare_name(galaxy)
        regions = self._regions.get("", []) + self._regions.get(name, [])
        return regions, self._places.get(name, [])

    # There may be thousands of labels, only a few of which belong to one galaxy.
    @cached_property
    def _regions(self) -> dict[str, list[LabelRegion]]:
        return _by_galaxy(self.regions)

    @cached_property
    def _places(self) -> dict[str, list[PlaceLabel]]:
        return _by_galaxy(self.places)


def _by_galaxy(labels: Iterable[L]) -> dict[str, list[L]]:
    found: dict[str, list[L]] = {}
    for label in labels:
        found.setdefault(bare_name(label.galaxy), []).append(label)
    return found


def read_labels(path: str | Path, reference: Reference | None = None) -> LabelFile:
    """Read labels from DS9 regions (.reg) or a table (.ecsv).

    Classes of nucleus and disc by galaxy type come from `reference.place_classes`; without a
    reference, from the packaged tables.

    Raises
    ------
    ConfigError
        If the file does not exist, or its format is unknown.
    DataError
        If it cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError("the file of labels does not exist", file=path)
    if path.suffix not in FORMATS:
        raise ConfigError("unknown format of labels", file=path, expected=" or ".join(FORMATS))
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            "the labels cannot be read", file=path, expected="text in UTF-8", found=str(error)
        ) from None
    try:
        regions = parse_regions(text, FORMATS[path.suffix])
        rules = (reference or packaged_reference()).place_classes
        places = parse_places(text, rules) if path.suffix == ".ecsv" else ()
    except DataError as error:
        raise DataError(
            error.message, file=path, expected=error.expected, found=error.found,
            advice=error.advice,
        ) from None  # fmt: skip
    return LabelFile(path, hash_bytes(text.encode()), regions, places)


def label_rows(
    labels: LabelFile, clusters: pd.DataFrame, spaxels: pd.DataFrame, settings: ClassSettings
) -> pd.DataFrame:
    """Labels of the clusters of one galaxy.

    Parameters
    ----------
    labels : LabelFile
    clusters, spaxels : DataFrame
        The rows of the galaxy in the tables of these names.
    settings : ClassSettings

    Returns
    -------
    DataFrame
        One row per row of `clusters`: `label`, a position in the classes or `UNLABELLED`,
        the largest `coverage` by a class, `partly` (labelled by a region that covers no more
        than `min_fraction` of it), and `conflict`.
    """
    galaxy, nuclear = str(clusters["galaxy"].iloc[0]), clusters.loc[clusters["nuclear"], "cluster"]
    regions, places = labels.of(galaxy)
    found = label_clusters(
        spaxels["cluster"].to_numpy(),
        spaxels["ra"].to_numpy(float),
        spaxels["dec"].to_numpy(float),
        galaxy=galaxy,
        regions=regions,
        classes=settings.classes,
        min_fraction=settings.min_fraction,
        places=places,
        nuclear=int(nuclear.iloc[0]) if len(nuclear) else 0,
    )
    rows = pd.DataFrame(
        {
            "label": found.labels,
            "coverage": found.coverage.max(axis=1),
            "partly": np.isin(found.clusters, found.partly),
            "conflict": np.isin(found.clusters, found.conflicts),
        },
        index=found.clusters,
    ).reindex(clusters["cluster"])
    missing = {"label": UNLABELLED, "coverage": 0.0, "partly": False, "conflict": False}
    return rows.fillna(missing).astype({"label": np.int32, "partly": bool, "conflict": bool})
