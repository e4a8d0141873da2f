"""Columns that are repeated for every line, ratio or class, written once, for documentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from catalogs import class_columns, feature_columns
from catalogs import columns as declared
from catalogs.columns import Column
from catalogs.schema import declared_table
from catalogs.vocabulary import Vocabulary, packaged_vocabulary

FEATURES = (
    feature_columns.FEATURE_FAMILY
    + feature_columns.REGION_FAMILY
    + feature_columns.BRIGHT_LINE_FAMILY
)
FAMILIES: dict[str, tuple[Column, ...]] = {
    "galaxies": class_columns.GALAXY_CLASS_FAMILY,
    "clusters": (*FEATURES, *declared.RATIO_FAMILY, *class_columns.CLASS_FAMILY),
    "spaxels": class_columns.SPAXEL_CLASS_FAMILY,
}
"""Of every table that has some."""

WORDS = {"feature": "FEATURE", "label": "the line or band", "ucd": "em.line (em.IR of a band)",
         "ratio": "RATIO", "class": "CLASS"}  # fmt: skip
"""What stands for the name of a line or band, of a ratio A/B, of a class."""


@dataclass(frozen=True)
class Families:
    """The columns of a table, with those of families apart.

    Attributes
    ----------
    own : tuple of Column
        Those that belong to no family.
    templates : tuple of Column
        One of each family, such as `flux_FEATURE`.
    expanded : tuple of Column
        Those that belong to a family.
    """

    own: tuple[Column, ...]
    templates: tuple[Column, ...]
    expanded: tuple[Column, ...]


def column_families(table: str, vocabulary: Vocabulary | None = None) -> Families:
    """The families of a table.

    Parameters
    ----------
    table : str
        Name of the table.
    vocabulary : Vocabulary, optional
        Lines, ratios and classes; by default the packaged ones, without classes.
    """
    vocabulary = vocabulary or packaged_vocabulary()
    names = frozenset(_expanded(table, vocabulary))
    columns = declared_table(table, vocabulary).columns
    return Families(
        own=tuple(column for column in columns if column.name not in names),
        templates=tuple(_written(column) for column in FAMILIES.get(table, ())),
        expanded=tuple(column for column in columns if column.name in names),
    )


def _written(column: Column) -> Column:
    texts = {key: getattr(column, key).format(**WORDS) for key in ("name", "ucd", "description")}
    return replace(column, **texts)


def _expanded(table: str, vocabulary: Vocabulary) -> Iterator[str]:
    values = {
        "feature": [feature.name for feature in vocabulary.features],
        "ratio": list(vocabulary.ratios),
        "class": list(vocabulary.classes),
    }
    for column in FAMILIES.get(table, ()):
        for key, names in values.items():
            if "{" + key + "}" in column.name:
                for name in names:
                    yield column.name.format(**{key: name})
