"""Parts of the whole survey, besides those of single galaxies: classes, latents, verdicts, tracers.

`SurveyProduct` declares a kind of such a part: its tables, and the columns it adds to other tables.
`SurveyPart` is a committed part of that kind. Publishing and pruning use only the declarations. The
summary of a survey part lists the parts of the galaxies that it was made from. It does not describe
a galaxy that was added or changed later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalogs.errors import CatalogError
from catalogs.flags import ClusterFlag
from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, Receipt
from catalogs.schema import declared_table
from catalogs.validation.columns import (
    POINT_SOURCE_QUESTION,
    SEPARATION_QUESTION,
    SHARE_VARIANT,
    VERDICT_QUESTION,
    WHOLE_GALAXY,
)
from catalogs.versions import Manifest, current_version
from catalogs.vocabulary import packaged_vocabulary

SURVEY_WIDE = "whole survey"
"""Takes the place of the galaxy in the names of survey parts."""

ANSWERS = "answers"
"""Stage of the parts that hold the answers of one galaxy, see `survey.pipeline.validation`."""

TRACED = "traced"
"""Stage of the parts that hold what tracers say of one galaxy, see
`survey.pipeline.validation.tracers`."""

Join = Callable[["SurveyPart", pa.Table, Receipt], pa.Table]
"""Adds the columns of a survey part to the rows of a table of one galaxy."""


@dataclass(frozen=True)
class SurveyProduct:
    """One kind of survey part, and how it is published.

    Attributes
    ----------
    name : str
        Name of the kind; also the stage of its parts.
    tables : tuple of str
        Tables of the catalog that it fills. They are empty without it.
    joins : mapping
        For tables of the galaxies, the function that adds columns to their rows.
    made_of : mapping
        Stages of other survey parts that it is made from, and the names of their keys in its
        summary.
    made_of_galaxies : mapping
        Stages of parts of galaxies that it is made from besides their results, and the names of the
        mappings in its summary from galaxy to key, or to a list of keys.
    """

    name: str
    tables: tuple[str, ...]
    joins: Mapping[str, Join] = field(default_factory=dict)
    made_of: Mapping[str, str] = field(default_factory=dict)
    made_of_galaxies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SurveyPart:
    """A committed part of the whole survey.

    The summary of its receipt has `galaxies`, the key of the part of every galaxy, and `classes`
    if its columns are named after classes.
    """

    product: SurveyProduct
    receipt: Receipt

    @property
    def key(self) -> str:
        """Key of the part."""
        return self.receipt.key

    @property
    def summary(self) -> dict[str, Any]:
        """Facts about it."""
        return self.receipt.summary

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that its columns are named after; may be empty."""
        return tuple(self.summary.get("classes", ()))

    def table(self, name: str) -> pa.Table:
        """One of its tables, with rows in the order in which they were written."""
        vocabulary = packaged_vocabulary().with_classes(self.classes)
        return read_part_table(self.receipt, name, vocabulary)

    def current_rows(self, name: str, keys: Mapping[str, str]) -> pa.Table:
        """Rows of a table, without galaxies whose part has another key than in `keys`."""
        import pyarrow.compute as pc  # slow to load

        rows = self.table(name)
        if not declared_table(name).by_galaxy:
            return rows
        outdated = [galaxy for galaxy, key in keys.items() if not self.describes(galaxy, key)]
        outdated += [galaxy for galaxy in self.summary["galaxies"] if galaxy not in keys]
        # Rows of galaxies that never were in the catalog stay: they say so.
        return rows.filter(pc.invert(pc.is_in(rows["galaxy"], pa.array(outdated, pa.string()))))

    def describes(self, galaxy: str, key: str) -> bool:
        """Whether it was made from this part of a galaxy."""
        return bool(self.summary["galaxies"].get(galaxy) == key)

    def needed_parts(self) -> Iterator[tuple[str, str, str]]:
        """Galaxy, stage and key of this part and of those that only it was made from."""
        yield SURVEY_WIDE, self.product.name, self.key
        for stage, entry in self.product.made_of.items():
            yield SURVEY_WIDE, stage, self.summary[entry]
        for stage, entry in self.product.made_of_galaxies.items():
            for galaxy, keys in self.summary[entry].items():
                for key in (keys,) if isinstance(keys, str) else keys:
                    yield galaxy, stage, key

    @cached_property
    def class_rows(self) -> pa.Table:
        """The table `classes`."""
        return self.table("classes")

    @cached_property
    def validation_rows(self) -> pa.Table:
        """The table `validation`."""
        return self.table("validation")


def _classes_of(part: SurveyPart, galaxy: Receipt) -> pa.Table:
    """The rows of `classes` of one galaxy, by cluster."""
    import pyarrow.compute as pc  # slow to load

    rows = part.class_rows
    return rows.filter(pc.equal(rows["galaxy"], galaxy.galaxy)).sort_by("cluster")


def _join_classes(part: SurveyPart, clusters: pa.Table, galaxy: Receipt) -> pa.Table:
    """The rows of `clusters` of one galaxy with their classes."""
    import pyarrow.compute as pc  # slow to load

    if not part.describes(galaxy.galaxy, galaxy.key):
        outdated = pa.scalar(int(ClusterFlag.CLASS_OUTDATED), pa.int32())
        flags = pc.bit_wise_or(clusters["flags"], outdated)
        return _with_columns(clusters, {"flags": flags})
    found = _classes_of(part, galaxy)
    if not found["cluster"].equals(clusters["cluster"]):
        raise CatalogError(
            f"the classification has other clusters of galaxy {galaxy.galaxy!r}",
            file=part.receipt.path,
            advice="Remove the part and classify again.",
        )
    columns = {name: found[name] for name in found.column_names}
    columns["flags"] = pc.bit_wise_or(clusters["flags"], found["flags"])
    return _with_columns(clusters, columns)


def _join_galaxy_shares(part: SurveyPart, galaxies: pa.Table, galaxy: Receipt) -> pa.Table:
    """The row of a galaxy with the shares of the classes: clusters count by their light."""
    if not part.describes(galaxy.galaxy, galaxy.key):
        return galaxies
    found = _classes_of(part, galaxy)
    light = _floats(found["light"])
    if not light.size or np.isnan(light).any():
        return galaxies
    columns = {}
    for name in part.classes:
        share = light @ _floats(found[f"share_{name}"]) / light.sum()
        columns[f"share_{name}"] = pa.chunked_array([[float(share)]])
    return _with_columns(galaxies, columns)


def _join_spaxel_shares(part: SurveyPart, spaxels: pa.Table, galaxy: Receipt) -> pa.Table:
    """The spaxels of a galaxy with the shares of the classes by their fractions."""
    if not part.describes(galaxy.galaxy, galaxy.key):
        return spaxels
    found, mixtures = _classes_of(part, galaxy), spaxels["fractions"].combine_chunks()
    known = np.asarray(mixtures.is_valid())
    if not known.any():
        return spaxels
    fractions = _floats(mixtures.flatten()).reshape(known.sum(), len(found))
    columns = {}
    for name in part.classes:
        p = np.nan_to_num(_floats(found[f"p_{name}"]))  # none without a class
        share = np.full(len(spaxels), np.nan, np.float32)
        share[known] = fractions @ p
        columns[f"share_{name}"] = pa.chunked_array([pa.array(share, mask=~known)])
    return _with_columns(spaxels, columns)


def _verdicts(part: SurveyPart, galaxy: Receipt, question: str) -> list[dict[str, Any]]:
    """Rows of `validation` of one galaxy and question; none if it has changed since."""
    import pyarrow.compute as pc  # slow to load

    if not part.describes(galaxy.galaxy, galaxy.key):
        return []
    rows = part.validation_rows
    chosen = pc.and_(pc.equal(rows["galaxy"], galaxy.galaxy), pc.equal(rows["question"], question))
    found: list[dict[str, Any]] = rows.filter(chosen).to_pylist()
    return found


def _join_galaxy_verdict(part: SurveyPart, galaxies: pa.Table, galaxy: Receipt) -> pa.Table:
    """The row of a galaxy with its verdict."""
    for row in _verdicts(part, galaxy, VERDICT_QUESTION):
        if row["cluster"] == WHOLE_GALAXY:
            names = {"verdict": "verdict", "verdict_reason": "meaning", "stability": "value"}
            values = {name: [row[key]] for name, key in names.items()}
            left = _verdicts(part, galaxy, SEPARATION_QUESTION)
            values["unexplained"] = [
                next((one["value"] for one in left if one["cluster"] == WHOLE_GALAXY), None)
            ]
            return _with_values(galaxies, values)
    return galaxies


def _join_cluster_verdicts(part: SurveyPart, clusters: pa.Table, galaxy: Receipt) -> pa.Table:
    """The clusters of a galaxy with their verdicts."""
    by_cluster = {row["cluster"]: row for row in _verdicts(part, galaxy, VERDICT_QUESTION)}
    if not by_cluster:
        return clusters
    shares = {
        row["cluster"]: row["value"]
        for row in _verdicts(part, galaxy, POINT_SOURCE_QUESTION)
        if row["variant"] == SHARE_VARIANT
    }
    left = {row["cluster"]: row["value"] for row in _verdicts(part, galaxy, SEPARATION_QUESTION)}
    numbers = clusters["cluster"].to_pylist()
    values = {
        "verdict": [by_cluster.get(number, {}).get("verdict") for number in numbers],
        "stability": [by_cluster.get(number, {}).get("value") for number in numbers],
        "unexplained": [left.get(number) for number in numbers],
        "point_source_share": [shares.get(number) for number in numbers],
    }
    return _with_values(clusters, values)


def _floats(column: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    """Values of a column, NaN where missing."""
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


CLASSES = SurveyProduct(
    name="classes",
    tables=("importances", "scores", "diagrams"),
    joins={
        "clusters": _join_classes,
        "galaxies": _join_galaxy_shares,
        "spaxels": _join_spaxel_shares,
    },
    made_of={"sample": "sample_key"},
)
"""The classes of all clusters; such a part also has the table `classes`."""

LATENTS = SurveyProduct(name="latents", tables=("latents",))
"""Latents of the spectra of all clusters; `model` in the summary is the hash of the model."""

VALIDATION = SurveyProduct(
    name="validation",
    tables=("validation",),
    joins={"galaxies": _join_galaxy_verdict, "clusters": _join_cluster_verdicts},
    made_of_galaxies={ANSWERS: "answers"},
)
"""The answers of `survey validate`, with verdicts by the thresholds of that time."""

TRACERS = SurveyProduct(
    name="tracers",
    tables=("tracers", "tracer_clusters"),
    made_of_galaxies={TRACED: "traced"},
)
"""The clusters beside maps made without them. A product of its own: verdicts do not depend on it,
and it stays in the catalog when they are made again."""

PRODUCTS = {product.name: product for product in (CLASSES, LATENTS, VALIDATION, TRACERS)}


def commit_survey_part(
    product: SurveyProduct,
    root: Path,
    key: str,
    *,
    galaxies: Mapping[str, str],
    write: Callable[[Path], None],
    summary: Mapping[str, object],
) -> SurveyPart:
    """Commit a survey part, whose tables `write` writes into a folder.

    Parameters
    ----------
    product : SurveyProduct
    root : Path
        The run directory.
    key : str
    galaxies : mapping of str
        Keys of the parts of the galaxies that it was made from.
    write : callable
    summary : mapping
        Facts to keep with it; see `SurveyPart` for those that it needs.
    """
    facts = {**summary, "galaxies": dict(galaxies)}
    receipt = PartStore(root).commit(SURVEY_WIDE, product.name, key, write, facts)
    return SurveyPart(product, receipt)


def find_survey_part(product: SurveyProduct, root: Path, key: str) -> SurveyPart | None:
    """The undamaged survey part with a key, whether published or not; None if there is none."""
    receipt = PartStore(root).find(SURVEY_WIDE, product.name, key, full=True)
    return None if receipt is None else SurveyPart(product, receipt)


def current_survey_parts(root: Path) -> dict[str, SurveyPart]:
    """The undamaged survey parts in the published catalog, by name of the product."""
    version = current_version(root)
    if version is None:
        return {}
    try:
        manifest = Manifest.read(version)
    except CatalogError:  # Damaged, or of an older version: it will be replaced.
        return {}
    return survey_parts_of(root, manifest)


def survey_parts_of(root: Path, manifest: Manifest) -> dict[str, SurveyPart]:
    """The undamaged survey parts that a catalog was made from, by name of the product."""
    found = {
        name: find_survey_part(PRODUCTS[name], root, key)
        for name, key in manifest.products.items()
        if name in PRODUCTS
    }
    return {name: part for name, part in found.items() if part is not None}


def _with_columns(table: pa.Table, columns: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """The table with some columns new or replaced."""
    # Looked up by name only once: Arrow makes a list of all its names for every look-up.
    known = dict(zip(table.column_names, table.columns, strict=True)) | dict(columns)
    return pa.table(known)


def _with_values(table: pa.Table, values: Mapping[str, list[Any]]) -> pa.Table:
    """The table with other values in some of its columns."""
    columns = {
        name: pa.chunked_array([pa.array(column, table.schema.field(name).type)])
        for name, column in values.items()
    }
    return _with_columns(table, columns)
