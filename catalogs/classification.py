"""A classification: one part for the whole survey, joined into the catalog's clusters.

It says of which parts of galaxies it was made. A galaxy that was added or changed since gets
no class and a flag, for its clusters are not those that were classified.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from catalogs.errors import CatalogError
from catalogs.flags import ClusterFlag
from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, Receipt
from catalogs.schema import arrow_schema
from catalogs.survey_parts import SURVEY_WIDE, published_part

STAGE = "classes"
TABLES = ("importances", "scores", "diagrams")
"""Tables that a classification has besides `classes`, published as they are."""


@dataclass(frozen=True)
class Classification:
    """A committed classification.

    Its receipt's summary has `classes`, their names, and `galaxies`, the key of the part of
    every galaxy.
    """

    receipt: Receipt

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.receipt.summary["classes"])

    def table(self, name: str) -> pa.Table:
        """One of its tables, its rows in the order in which they were written."""
        return read_part_table(self.receipt, name, self.classes)

    def join(self, clusters: pa.Table, galaxy: Receipt) -> pa.Table:
        """The rows of `clusters` of one galaxy with their classes."""
        schema = arrow_schema("clusters", classes=self.classes)
        if self.receipt.summary["galaxies"].get(galaxy.galaxy) != galaxy.key:
            outdated = pa.scalar(int(ClusterFlag.CLASS_OUTDATED), pa.int32())
            flags = pc.bit_wise_or(clusters["flags"], outdated)
            return _replace(clusters, {"flags": flags}, schema)
        found = self._rows.filter(pc.equal(self._rows["galaxy"], galaxy.galaxy)).sort_by("cluster")
        if not found["cluster"].equals(clusters["cluster"]):
            raise CatalogError(
                f"the classification has other clusters of galaxy {galaxy.galaxy!r}",
                file=self.receipt.path,
                advice="Remove the part and classify again.",
            )
        columns = {name: found[name] for name in found.column_names}
        columns["flags"] = pc.bit_wise_or(clusters["flags"], found["flags"])
        return _replace(clusters, columns, schema)

    @cached_property
    def _rows(self) -> pa.Table:
        return self.table("classes")


def current_classification(root: Path) -> Classification | None:
    """The classification of the published catalog, None if there is none that is sound."""
    receipt = published_part(root, STAGE, lambda manifest: manifest.classification)
    return Classification(receipt) if receipt else None


def commit_classification(
    root: Path,
    key: str,
    *,
    classes: tuple[str, ...],
    galaxies: Mapping[str, str],
    write: Callable[[Path], None],
    summary: Mapping[str, object],
) -> Classification:
    """Commit what `write` writes into a folder: the tables `classes` and `TABLES`."""
    facts = {**summary, "classes": list(classes), "galaxies": dict(galaxies)}
    return Classification(PartStore(root).commit(SURVEY_WIDE, STAGE, key, write, facts))


def _replace(table: pa.Table, columns: dict[str, pa.ChunkedArray], schema: pa.Schema) -> pa.Table:
    """The table in another schema, with some columns new and those it does not have missing."""
    # Looked up by name once: Arrow lists all its hundreds of names whenever it is asked.
    known = dict(zip(table.column_names, table.columns, strict=True)) | columns
    arrays = [
        known[field.name] if field.name in known else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
