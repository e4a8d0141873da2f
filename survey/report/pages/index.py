"""Writes the index of a run, and the data that its pages share."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd

from catalogs.durable import write_text
from catalogs.flags import ClusterFlag, GalaxyFlag
from catalogs.query import Catalog
from survey import __version__
from survey.pipeline.run.records.alike import AlikeMessages, without_file
from survey.report.page import write_template
from survey.report.pages.galaxy_data import flags_in_words
from survey.report.pages.numbers import rounded, script_json
from survey.report.pages.paths import FOLDER, address, page_path, thumbnail_path
from survey.report.pages.tracers import write_tracer_data
from survey.report.pages.validation import verdict_counts, write_validation_data
from survey.report.palette import cluster_colors

PAGE = "index.html"
COLUMNS = ("redshift", "n_spaxel", "n_cluster", "snr")
CLASS_FLAGS = (
    ClusterFlag.UNCERTAIN_CLASS, ClusterFlag.LABEL_OVERRULED, ClusterFlag.LABEL_CONFLICT,
    ClusterFlag.CLASS_OUTDATED,
)  # fmt: skip
"""Flags of a cluster that a classification sets, after the pages of the galaxies are written."""


def write_index(root: Path, catalog: Catalog) -> Path:
    """Write the index, and the scripts with the galaxies and the classes; returns its path."""
    folder = root / FOLDER
    galaxies = catalog.galaxies
    _write_data(folder / "data" / "galaxies.js", "SURVEY_GALAXIES", _galaxies(root, galaxies))
    _write_data(folder / "data" / "classes.js", "SURVEY_CLASSES", _classes(catalog))
    write_validation_data(root, catalog)
    write_tracer_data(root, catalog)
    page = folder / PAGE
    write_template(
        page,
        "index.html",
        stamp=catalog.path.name,
        title=root.resolve().name,
        version=__version__,
        n_galaxy=len(galaxies),
        n_cluster=int(galaxies["n_cluster"].sum()),
        n_failed=len(catalog.quarantine),
        classes=_class_counts(catalog),
        verdicts=verdict_counts(galaxies),
        flags=_flag_counts(galaxies["flags"]),
        failures=failures_by_cause(catalog.quarantine),
    )
    return page


def _write_data(path: Path, name: str, data: Any) -> None:
    # A script, since a page that is opened from disk may not read other files.
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, f"const {name} = {script_json(data)}\n")


def _galaxies(root: Path, galaxies: pd.DataFrame) -> dict[str, Any]:
    folder, flags = root / FOLDER, list(GalaxyFlag)
    rows = [
        [
            row["galaxy"],
            " ".join(part for part in (row["instrument"], row["band"]) if part),
            *(rounded(row[name]) for name in COLUMNS),
            [number for number, flag in enumerate(flags) if row["flags"] & flag],
            address(page_path(root, row["galaxy"]), folder),
            address(thumbnail_path(root, row["galaxy"]), folder),
        ]
        for row in galaxies.to_dict("records")
    ]
    columns = ["name", "instrument", *COLUMNS, "flags", "page", "thumbnail"]
    return {"columns": columns, "flags": [flag.meaning for flag in flags], "rows": rows}


def _classes(catalog: Catalog) -> dict[str, Any]:
    """The class of every cluster with the probabilities, by galaxy."""
    names = list(catalog.classes)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    if names:
        for row in catalog.clusters.to_dict("records"):
            found[row["galaxy"]].append(
                {
                    "index": names.index(row["class"]) if row["class"] in names else -1,
                    "p": [rounded(row[f"p_{name}"]) for name in names],
                    "err": [rounded(row[f"p_{name}_err"]) for name in names],
                    "flags": flags_in_words(
                        int(row["flags"]) & sum(int(flag) for flag in CLASS_FLAGS), ClusterFlag
                    ),
                }
            )
    return {"names": names, "colors": cluster_colors(len(names)), "galaxies": dict(found)}


def _class_counts(catalog: Catalog) -> list[tuple[str, int, str]]:
    names = catalog.classes
    counts = catalog.clusters["class"].value_counts().reindex(names, fill_value=0)
    return [
        (str(name), int(count), color)
        for (name, count), color in zip(counts.items(), cluster_colors(len(names)), strict=True)
    ]


def _flag_counts(flags: pd.Series) -> list[tuple[str, int]]:
    counts = [(flag.meaning, int((flags & int(flag) > 0).sum())) for flag in GalaxyFlag]
    return sorted((each for each in counts if each[1]), key=lambda each: -each[1])


def failures_by_cause(quarantine: pd.DataFrame) -> list[tuple[str, list[tuple[str, str]]]]:
    """What quarantined galaxies fail by, and these with their messages; commonest first."""
    stages = dict(zip(quarantine["galaxy"], quarantine["stage"], strict=True))
    messages = AlikeMessages(zip(quarantine["galaxy"], quarantine["message"], strict=True))
    return [
        (f"{stages[next(iter(group))]}: {without_file(message)}", list(group.items()))
        for message, group in messages
    ]
