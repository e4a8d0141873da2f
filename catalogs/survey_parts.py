"""Products of the whole survey, beside the parts of single galaxies: classes, latents.

A product is declared once, here: which tables it has and which columns it adds to other tables.
Publishing and pruning know no product by name. Its part says of which parts of galaxies it was
made. A galaxy that was added or changed since is not part of it: its clusters are not those
that the product describes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalogs.errors import CatalogError
from catalogs.flags import ClusterFlag
from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, Receipt
from catalogs.schema import declared_table
from catalogs.versions import Manifest, current_version
from catalogs.vocabulary import shipped_vocabulary

SURVEY_WIDE = "whole survey"
"""Stands for the galaxy in the names of parts that are of no single one."""

Join = Callable[["SurveyPart", pa.Table, Receipt], pa.Table]
"""Gives the rows of a table of one galaxy the columns of a product."""


@dataclass(frozen=True)
class SurveyProduct:
    """What one kind of survey-wide part is, and how it goes into the catalog.

    Attributes
    ----------
    name : str
        Of the product; also the stage of its part.
    tables : tuple of str
        Tables of the catalog that it fills. They are empty without it.
    joins : mapping
        By table of the galaxies, how its rows get columns of the product.
    made_of : mapping
        Stages of other survey-wide parts that it was made of, and where its summary has their
        keys.
    """

    name: str
    tables: tuple[str, ...]
    joins: Mapping[str, Join] = field(default_factory=dict)
    made_of: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SurveyPart:
    """A committed product.

    The summary of its receipt has `galaxies`, the key of the part of every galaxy, and `classes`
    if its columns are named by classes.
    """

    product: SurveyProduct
    receipt: Receipt

    @property
    def key(self) -> str:
        """Of the part."""
        return self.receipt.key

    @property
    def summary(self) -> dict[str, Any]:
        """Facts about it."""
        return self.receipt.summary

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that its columns are named by; none if they are not."""
        return tuple(self.summary.get("classes", ()))

    def table(self, name: str) -> pa.Table:
        """One of its tables, its rows in the order in which they were written."""
        vocabulary = shipped_vocabulary().with_classes(self.classes)
        return read_part_table(self.receipt, name, vocabulary)

    def current_rows(self, name: str, keys: Mapping[str, str]) -> pa.Table:
        """Rows of a table, those of galaxies only where the part, by its key, is still the one."""
        rows = self.table(name)
        if not declared_table(name).by_galaxy:
            return rows
        current = [galaxy for galaxy, key in keys.items() if self.describes(galaxy, key)]
        return rows.filter(pc.is_in(rows["galaxy"], pa.array(current, pa.string())))

    def describes(self, galaxy: str, key: str) -> bool:
        """Whether it was made of this part of a galaxy."""
        return bool(self.summary["galaxies"].get(galaxy) == key)

    def needed_parts(self) -> Iterator[tuple[str, str]]:
        """Stage and key of its own part and of those that it was made of."""
        yield self.product.name, self.key
        for stage, entry in self.product.made_of.items():
            yield stage, self.summary[entry]

    @cached_property
    def class_rows(self) -> pa.Table:
        """The table `classes`."""
        return self.table("classes")


def _join_classes(part: SurveyPart, clusters: pa.Table, galaxy: Receipt) -> pa.Table:
    """The rows of `clusters` of one galaxy with their classes."""
    if not part.describes(galaxy.galaxy, galaxy.key):
        outdated = pa.scalar(int(ClusterFlag.CLASS_OUTDATED), pa.int32())
        flags = pc.bit_wise_or(clusters["flags"], outdated)
        return _with_columns(clusters, {"flags": flags})
    rows = part.class_rows
    found = rows.filter(pc.equal(rows["galaxy"], galaxy.galaxy)).sort_by("cluster")
    if not found["cluster"].equals(clusters["cluster"]):
        raise CatalogError(
            f"the classification has other clusters of galaxy {galaxy.galaxy!r}",
            file=part.receipt.path,
            advice="Remove the part and classify again.",
        )
    columns = {name: found[name] for name in found.column_names}
    columns["flags"] = pc.bit_wise_or(clusters["flags"], found["flags"])
    return _with_columns(clusters, columns)


CLASSES = SurveyProduct(
    name="classes",
    tables=("importances", "scores", "diagrams"),
    joins={"clusters": _join_classes},
    made_of={"sample": "sample_key"},
)
"""The classes of all clusters; its part has the table `classes` besides those published."""

LATENTS = SurveyProduct(name="latents", tables=("latents",))
"""Latents of the spectra of all clusters; `model` in its summary is the hash of their model."""

PRODUCTS = {product.name: product for product in (CLASSES, LATENTS)}


def commit_product(
    product: SurveyProduct,
    root: Path,
    key: str,
    *,
    galaxies: Mapping[str, str],
    write: Callable[[Path], None],
    summary: Mapping[str, object],
) -> SurveyPart:
    """Commit what `write` writes into a folder: the tables of a product.

    Parameters
    ----------
    product : SurveyProduct
    root : Path
        The run directory.
    key : str
    galaxies : mapping of str
        Keys of the parts of the galaxies that it was made of.
    write : callable
    summary : mapping
        Facts to be kept with it, among them those that `SurveyPart` speaks of.
    """
    facts = {**summary, "galaxies": dict(galaxies)}
    receipt = PartStore(root).commit(SURVEY_WIDE, product.name, key, write, facts)
    return SurveyPart(product, receipt)


def current_products(root: Path) -> dict[str, SurveyPart]:
    """The products in the published catalog that are sound, by name."""
    version = current_version(root)
    if version is None:
        return {}
    try:
        manifest = Manifest.read(version)
    except CatalogError:  # damaged or of an older version: it is about to be replaced
        return {}
    store = PartStore(root)
    found = {}
    for name, key in manifest.products.items():
        receipt = store.find(SURVEY_WIDE, name, key, full=True) if name in PRODUCTS else None
        if receipt is not None:
            found[name] = SurveyPart(PRODUCTS[name], receipt)
    return found


def _with_columns(table: pa.Table, columns: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """The table with some columns new or replaced."""
    # Looked up by name once: Arrow lists all its hundreds of names whenever it is asked.
    known = dict(zip(table.column_names, table.columns, strict=True)) | dict(columns)
    return pa.table(known)
