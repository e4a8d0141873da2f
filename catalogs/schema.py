"""The tables of the catalog; `to_arrow` makes them, and refuses what was not declared.

Columns are declared in `catalogs.columns` and `catalogs.feature_columns`. In `clusters`, the
measurements of lines and bands are one family of columns, repeated for every feature of the
survey's vocabulary, whether a galaxy covers it or not. So all galaxies of a survey share one
schema. The table `measurements` has a row for each of them, and rows for rare lines too. Ratios
and classes are families too.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catalogs import class_columns, feature_columns
from catalogs import columns as declared
from catalogs.columns import Column
from catalogs.errors import CatalogError
from catalogs.fields import describe_fields
from catalogs.validation import columns as validation_columns
from catalogs.validation import tracer_columns
from catalogs.versions import SCHEMA_VERSION
from catalogs.vocabulary import Feature, Vocabulary, packaged_vocabulary
from catalogs.xray import tables as source_tables

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TableDeclaration:
    """One table of the catalog.

    The columns of `key` identify a row. A `large` table is published as a folder of files.
    """

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    large: bool = False

    @property
    def by_galaxy(self) -> bool:
        """Whether each row belongs to one galaxy, not to the whole survey."""
        return self.key[0] == "galaxy"


@cache
def declared_tables(vocabulary: Vocabulary | None = None) -> dict[str, TableDeclaration]:
    """All tables of the catalog by name; the default vocabulary is the packaged one."""
    vocabulary = vocabulary or packaged_vocabulary()
    tables = (
        TableDeclaration(
            name="galaxies",
            description="One row per galaxy: what it is and how it was processed",
            key=("galaxy",),
            columns=(
                *declared.GALAXIES,
                *validation_columns.GALAXY_VERDICT,
                *_class_columns(vocabulary.classes, class_columns.GALAXY_CLASS_FAMILY),
            ),
        ),
        TableDeclaration(
            name="clusters",
            description="One row per cluster: geometry, brightness, common lines and bands",
            key=("galaxy", "cluster"),
            columns=(
                *declared.CLUSTERS,
                *validation_columns.CLUSTER_VERDICT,
                *_feature_columns(vocabulary.features),
                *_ratio_columns(vocabulary.ratios),
                *_class_columns(vocabulary.classes, class_columns.CLASS_FAMILY),
            ),
        ),
        TableDeclaration(
            name="measurements",
            description="One row per cluster and line or band within its spectrum: all that was "
            "measured of it",
            key=("galaxy", "cluster", "feature"),
            columns=feature_columns.MEASUREMENTS,
            large=True,
        ),
        TableDeclaration(
            name="parts",
            description="One row per connected part of a cluster: where it is, and its light",
            key=("galaxy", "cluster", "part"),
            columns=declared.PARTS,
        ),
        TableDeclaration(
            name="spaxels",
            description="One row per spaxel with data: its cluster, shift and S/N",
            key=("galaxy", "y", "x"),
            columns=(
                *declared.SPAXELS,
                *_class_columns(vocabulary.classes, class_columns.SPAXEL_CLASS_FAMILY),
            ),
            large=True,
        ),
        TableDeclaration(
            name="spectra",
            description="One row per cluster: its spectra",
            key=("galaxy", "cluster"),
            columns=declared.SPECTRA,
            large=True,
        ),
        TableDeclaration(
            name="splits",
            description="One row per decision of the walk down the tree, and why it was made",
            key=("galaxy", "decision"),
            columns=declared.SPLITS,
        ),
        TableDeclaration(
            name="quarantine",
            description="One row per galaxy that could not be processed",
            key=("galaxy",),
            columns=declared.QUARANTINE,
        ),
        TableDeclaration(
            name="latents",
            description="One row per cluster: its spectrum as a few numbers, and how unusual it is",
            key=("galaxy", "cluster"),
            columns=declared.LATENTS,
        ),
        TableDeclaration(
            name="validation",
            description="One row per question, way of asking and cluster or galaxy: how much to "
            "believe of the partition",
            key=("galaxy", "question", "variant", "cluster"),
            columns=validation_columns.VALIDATION,
        ),
        TableDeclaration(
            name="tracers",
            description="One row per map that was made without the clusters, and what it is "
            "compared with: do they have more to do with each other than by chance",
            key=("galaxy", "tracer", "compared"),
            columns=tracer_columns.TRACERS,
        ),
        TableDeclaration(
            name="tracer_clusters",
            description="One row per map, cluster and class: how many spaxels, or which values",
            key=("galaxy", "tracer", "cluster", "class"),
            columns=tracer_columns.TRACER_CLUSTERS,
        ),
        TableDeclaration(
            name="importances",
            description="One row per method and predictor: its importance for the classes",
            key=("method", "predictor"),
            columns=class_columns.IMPORTANCES,
        ),
        TableDeclaration(
            name="scores",
            description="One row per method, way of measuring and class: how often it is right",
            key=("method", "measured", "class"),
            columns=class_columns.SCORES,
        ),
        TableDeclaration(
            name="diagrams",
            description="One row per contour: where a class lies in a plane of two ratios",
            key=("origin", "x_ratio", "y_ratio", "class", "level", "ring"),
            columns=class_columns.DIAGRAMS,
        ),
    )
    return {table.name: table for table in tables}


@cache
def _class_table(classes: tuple[str, ...]) -> TableDeclaration:
    """The results of a classification, which are published as columns of `clusters`."""
    return TableDeclaration(
        name="classes",
        description="One row per cluster: its class",
        key=("galaxy", "cluster"),
        columns=(
            *declared.CLASSES,
            class_columns.LIGHT,
            *_class_columns(classes, class_columns.CLASS_FAMILY),
        ),
    )


@cache
def source_declarations(classes: tuple[str, ...] = ()) -> dict[str, TableDeclaration]:
    """The tables of a list of X-ray sources by name, which no survey of galaxies has."""
    tables = (
        TableDeclaration(
            name="sources",
            description="One row per X-ray source: its latents, its class, and what they were "
            "made of",
            key=("source",),
            columns=(
                *source_tables.SOURCES,
                *_class_columns(classes, source_tables.SOURCE_CLASS_FAMILY),
            ),
        ),
        TableDeclaration(
            name="detections",
            description="One row per X-ray spectrum: how it was read",
            key=("spectrum",),
            columns=source_tables.DETECTIONS,
        ),
        TableDeclaration(
            name="provenance",
            description="One row per class and reference: where the labels are from",
            key=("class", "reference", "used_xray"),
            columns=source_tables.PROVENANCE,
        ),
        TableDeclaration(
            name="label_scores",
            description="One row per method, set of labels and classifier: how often it is right",
            key=("method", "n_latent", "labels", "classifier"),
            columns=source_tables.LABEL_SCORES,
        ),
    )
    return {table.name: table for table in tables}


def _feature_columns(features: Iterable[Feature]) -> Iterable[Column]:
    for feature in features:
        family: tuple[Column, ...] = feature_columns.FEATURE_FAMILY + feature_columns.REGION_FAMILY
        family += feature_columns.BRIGHT_LINE_FAMILY * feature.bright
        ucd = "em.line" if feature.kind == "line" else "em.IR"
        yield from _family(family, feature=feature.name, label=feature.label, ucd=ucd)


def _ratio_columns(ratios: Iterable[str]) -> Iterable[Column]:
    for name in ratios:
        yield from _family(declared.RATIO_FAMILY, ratio=name)


def _class_columns(classes: Sequence[str], family: Iterable[Column]) -> Iterable[Column]:
    for name in classes:
        yield from _family(family, **{"class": name})


def _family(templates: Iterable[Column], **words: str) -> Iterable[Column]:
    for template in templates:
        yield replace(
            template,
            name=template.name.format(**words),
            ucd=template.ucd.format(**words),
            description=template.description.format(**words),
        )


def declared_table(name: str, vocabulary: Vocabulary | None = None) -> TableDeclaration:
    """The declaration of one table, of `classes`, which is joined into `clusters`, or of sources.

    Raises
    ------
    CatalogError
        If the table does not exist.
    """
    tables = declared_tables(vocabulary)
    if name == "classes":
        return _class_table(vocabulary.classes if vocabulary else ())
    of_sources = source_declarations(vocabulary.classes if vocabulary else ())
    if name in of_sources:
        return of_sources[name]
    if name not in tables:
        raise CatalogError(f"the catalog has no table {name!r}", expected=" or ".join(tables))
    return tables[name]


def arrow_schema(
    name: str, metadata: Mapping[str, str] | None = None, vocabulary: Vocabulary | None = None
) -> pa.Schema:
    """Arrow schema of a table, with unit, UCD and description in the metadata of each field.

    Parameters
    ----------
    name : str
        Name of the table.
    metadata : mapping of str, optional
        Metadata of the table besides its name, description and schema version.
    vocabulary : Vocabulary, optional
        Vocabulary of the run; by default the packaged one.
    """
    table = declared_table(name, vocabulary)
    about = {"table": name, "description": table.description, "schema_version": SCHEMA_VERSION}
    return _fields(name, vocabulary).with_metadata(about | dict(metadata or {}))


@cache
def _fields(name: str, vocabulary: Vocabulary | None) -> pa.Schema:
    return pa.schema(
        pa.field(column.name, column.type, not column.required, _field_metadata(column))
        for column in declared_table(name, vocabulary).columns
    )


def _field_metadata(column: Column) -> dict[str, str]:
    metadata = {"unit": column.unit, "ucd": column.ucd, "description": column.description}
    return metadata | ({"volatile": "true"} if column.volatile else {})


def describe(name: str) -> str:
    """Columns of a table with types, units, UCDs and descriptions, as Markdown."""
    return describe_fields(arrow_schema(name))


def to_arrow(
    name: str,
    data: Mapping[str, Any] | pd.DataFrame | Sequence[Mapping[str, Any]],
    vocabulary: Vocabulary | None = None,
    *,
    partial: bool = False,
) -> pa.Table:
    """Make an Arrow table that is exactly as declared, or raise an error that says why not.

    Parameters
    ----------
    name : str
        Name of the table.
    data : mapping, DataFrame or sequence of mappings
        Columns by name (a string or number stands for a whole column), a pandas frame, or a
        row per mapping. Columns that are not required may be left out. NaN is stored as a
        missing value, except inside spectra, and a missing boolean as False.
    vocabulary : Vocabulary, optional
        Vocabulary of the run; by default the packaged one.
    partial : bool
        Leave out the columns that `data` does not have, instead of adding missing values.

    Returns
    -------
    pyarrow.Table
        With all columns of the table, in the order of the declaration.

    Raises
    ------
    CatalogError
        For a column that is not declared, a required one that is missing or has missing
        values, columns of different lengths, and values that do not fit the type.
    """
    table = declared_table(name, vocabulary)
    columns, n_rows = _as_columns(data)
    _refuse_undeclared(table, columns)
    schema = arrow_schema(name, vocabulary=vocabulary)
    kept = [column for column in table.columns if column.name in columns or not partial]
    if partial:
        schema = pa.schema([schema.field(column.name) for column in kept], schema.metadata)
    arrays = [_as_array(table, column, columns.get(column.name), n_rows) for column in kept]
    return pa.Table.from_arrays(arrays, schema=schema)


def _as_columns(
    data: Mapping[str, Any] | pd.DataFrame | Sequence[Mapping[str, Any]],
) -> tuple[dict[str, Any], int]:
    """Values by column name, and the number of rows."""
    if isinstance(data, Sequence):
        names = dict.fromkeys(name for row in data for name in row)
        return {name: [row.get(name) for row in data] for name in names}, len(data)
    columns = {str(name): values for name, values in data.items()}
    lengths = {len(values) for values in columns.values() if not _is_scalar(values)}
    # Of several lengths, the columns that differ from the longest are reported.
    return columns, max(lengths, default=1 if columns else 0)


def _is_scalar(values: Any) -> bool:
    return isinstance(values, str) or not hasattr(values, "__len__")


def _refuse_undeclared(table: TableDeclaration, columns: Mapping[str, Any]) -> None:
    known = [column.name for column in table.columns]
    for name in columns:
        if name not in known:
            near = difflib.get_close_matches(name, known)
            raise CatalogError(
                f"table {table.name!r} has no column {name!r}",
                advice=f"Did you mean {' or '.join(near)}?" if near else None,
            )


def _as_array(table: TableDeclaration, column: Column, values: Any, n_rows: int) -> pa.Array:
    """One column of the declared type; None if the column was left out."""
    where = f"column {column.name!r} of table {table.name!r}"
    if values is None:
        array = pa.nulls(n_rows, column.type)
    else:
        array = _convert(values, column.type, n_rows, where)
    if column.required and array.null_count:
        raise CatalogError(
            f"{where} is required", found=f"{array.null_count} missing values in {n_rows} rows"
        )
    # A frame with missing booleans is an object column that `~` fails on.
    return array.fill_null(False) if pa.types.is_boolean(column.type) else array


def _convert(values: Any, kind: pa.DataType, n_rows: int, where: str) -> pa.Array:
    if _is_scalar(values):
        values = [values] * n_rows
    if len(values) != n_rows:
        raise CatalogError(
            f"{where} is too short", expected=f"{n_rows} rows", found=str(len(values))
        )
    try:
        if pa.types.is_list(kind):
            return _convert_lists(values, kind)
        if pa.types.is_integer(kind) and not hasattr(values, "dtype"):
            # Arrow cuts the fractions off a list of floats meant as integers; off an array, never.
            values = pa.array(values, from_pandas=True).to_numpy(zero_copy_only=False)
        return pa.array(values, kind, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise CatalogError(
            f"{where} has values that do not fit", expected=str(kind), found=str(error)
        ) from None


def _convert_lists(values: Any, kind: pa.DataType) -> pa.Array:
    if any(isinstance(row, str) for row in values):
        raise TypeError("text instead of a list")
    return pa.array(list(values), kind)
