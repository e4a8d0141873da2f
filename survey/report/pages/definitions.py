"""The page that defines every number of the report, from the declarations of the catalog.

It is written beside the pages, so that a `?` leads to it without a network. Anchors are
`clusters.continuum_snr`, `flag-clusters-low_snr` and `NeII_12.81`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalogs.documentation.column_families import column_families
from catalogs.flags import FEATURES, FLAGS
from catalogs.reference import Reference
from catalogs.schema import declared_tables
from catalogs.vocabulary import Vocabulary
from survey import __version__
from survey.report.page import write_template

PAGE = "definitions.html"
TABLES = ("galaxies", "clusters", "spaxels", "measurements", "splits", "parts", "scores",
          "importances", "validation", "tracers", "quarantine")  # fmt: skip
"""Whose numbers the pages show."""


@dataclass(frozen=True)
class Definition:
    """A name with an anchor, a unit and a meaning."""

    anchor: str
    name: str
    unit: str
    meaning: str


def write_definitions(folder: Path, reference: Reference, vocabulary: Vocabulary) -> Path:
    """Write the page into the folder of the report; returns its path.

    Parameters
    ----------
    folder : Path
    reference : Reference
        Lines and bands of the run, with their sources.
    vocabulary : Vocabulary
        Its lines, ratios and classes.
    """
    page = folder / PAGE
    write_template(
        page,
        "definitions.html",
        title="What the numbers mean",
        version=__version__,
        tables=[
            {
                "name": name,
                "description": declared_tables()[name].description,
                "rows": column_definitions(name, vocabulary),
            }
            for name in TABLES
        ],
        flags=[
            {
                "name": "lines and bands" if table == FEATURES else table,
                "anchor": table,
                "rows": flag_definitions(table),
            }
            for table in FLAGS
        ],
        features=feature_definitions(reference),
    )
    return page


def column_definitions(table: str, vocabulary: Vocabulary) -> list[Definition]:
    """The columns of a table; families of columns by their pattern."""
    families = column_families(table, vocabulary)
    return [
        Definition(f"{table}.{column.name}", column.name, column.unit, column.description)
        for column in (*families.own, *families.templates)
    ]


def flag_definitions(table: str) -> list[Definition]:
    """The quality bits of a table; their numbers stand for a unit."""
    return [
        Definition(
            f"flag-{table}-{str(flag.name).lower()}",
            str(flag.name).lower(), str(int(flag)), flag.meaning,
        )
        for flag in FLAGS[table]
    ]  # fmt: skip


def feature_definitions(reference: Reference) -> list[Definition]:
    """Lines with their wavelengths, and bands with their windows, in micron."""
    lines = [
        Definition(line.name, line.label, f"{line.wavelength_um:.5g}", line.source)
        for line in reference.lines
    ]
    bands = [
        Definition(band.name, band.label, "{:g} to {:g}".format(*band.integration_um), band.source)
        for band in reference.bands
    ]
    return [*lines, *bands]


def short_definitions(vocabulary: Vocabulary) -> dict[str, Any]:
    """The meanings of columns by anchor, for the scripts of the pages."""
    found = [each for table in TABLES for each in column_definitions(table, vocabulary)]
    return {each.anchor: each.meaning for each in found}
