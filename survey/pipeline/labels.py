"""Initial labels of all clusters of a survey, from a file of regions and places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from catalogs.diagnostics import load_place_classes
from catalogs.durable import hash_bytes
from survey.classes.arrays import UNLABELLED
from survey.classes.labels import label_clusters
from survey.classes.places import PlaceLabel, parse_places, same_name
from survey.classes.regions import LabelRegion, parse_regions
from survey.config import ClassSettings
from survey.errors import ConfigError, DataError

FORMATS = {".reg": "ds9", ".ecsv": "ecsv"}


@dataclass(frozen=True)
class LabelFile:
    """What a file of labels says, and the hash of its text."""

    path: Path
    content_hash: str
    regions: tuple[LabelRegion, ...]
    places: tuple[PlaceLabel, ...]

    def strangers(self, galaxies: Iterable[str]) -> list[str]:
        """Galaxies that it names and the survey does not have."""
        known = list(galaxies)
        named = {region.galaxy for region in self.regions} | {p.galaxy for p in self.places}
        return sorted(n for n in named - {""} if not any(same_name(n, galaxy) for galaxy in known))


def read_labels(path: str | Path) -> LabelFile:
    """Read labels from DS9 regions (.reg) or a table (.ecsv).

    Raises
    ------
    ConfigError
        If there is no such file, or its format is not known.
    DataError
        If it cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError("no such file of labels", file=path)
    if path.suffix not in FORMATS:
        raise ConfigError("labels of an unknown format", file=path, expected=" or ".join(FORMATS))
    text = path.read_text(encoding="utf-8")
    try:
        regions = parse_regions(text, FORMATS[path.suffix])
        places = parse_places(text, load_place_classes()) if path.suffix == ".ecsv" else ()
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
        `coverage` by the best of them, and `conflict`.
    """
    nuclear = clusters.loc[clusters["nuclear"], "cluster"]
    found = label_clusters(
        spaxels["cluster"].to_numpy(),
        spaxels["ra"].to_numpy(float),
        spaxels["dec"].to_numpy(float),
        galaxy=str(clusters["galaxy"].iloc[0]),
        regions=labels.regions,
        classes=settings.classes,
        min_fraction=settings.min_fraction,
        places=labels.places,
        nuclear=int(nuclear.iloc[0]) if len(nuclear) else 0,
    )
    rows = pd.DataFrame(
        {
            "label": found.labels,
            "coverage": found.coverage.max(axis=1),
            "conflict": np.isin(found.clusters, found.conflicts),
        },
        index=found.clusters,
    ).reindex(clusters["cluster"])
    return rows.fillna({"label": UNLABELLED, "coverage": 0.0, "conflict": False}).astype(
        {"label": np.int32, "conflict": bool}
    )
