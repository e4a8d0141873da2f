"""All tables of one galaxy, from its part or from the published catalog."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catalogs.fields import to_qtable
from catalogs.part_tables import read_part_table
from catalogs.parts import Receipt
from catalogs.publish import PART_TABLES
from catalogs.query import Catalog
from catalogs.reference import Reference
from catalogs.schema import arrow_schema
from catalogs.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd
    from astropy.table import QTable


@dataclass(frozen=True)
class GalaxyTables:
    """The tables of one galaxy in memory, and the lines and bands they were measured with."""

    tables: dict[str, pa.Table]
    reference: Reference

    @classmethod
    def from_part(
        cls, receipt: Receipt, vocabulary: Vocabulary, reference: Reference
    ) -> GalaxyTables:
        """The tables of a committed part, which has no classes.

        Raises
        ------
        CatalogError
            If the part is damaged.
        """
        tables = {}
        for name in PART_TABLES:
            table = read_part_table(receipt, name, vocabulary)
            schema = arrow_schema(name, vocabulary=vocabulary)  # with units
            tables[name] = pa.Table.from_arrays(table.columns, schema=schema)
        return cls(tables, reference)

    @classmethod
    def from_catalog(cls, catalog: Catalog, galaxy: str, reference: Reference) -> GalaxyTables:
        """The published tables of a galaxy, with its classes if there are any.

        Raises
        ------
        CatalogError
            If the galaxy is not in the catalog.
        """
        return cls({name: catalog.arrow(name, galaxy) for name in PART_TABLES}, reference)

    @cached_property
    def about(self) -> dict[str, Any]:
        """The row of the table `galaxies`."""
        row: dict[str, Any] = self.tables["galaxies"].to_pylist()[0]
        return row

    @property
    def shape(self) -> tuple[int, int]:
        """Spaxels along y and x."""
        return self.about["shape_y"], self.about["shape_x"]

    @property
    def celestial_header(self) -> str:
        """Text of the celestial header, "" without."""
        return self.about["celestial_header"] or ""

    def frame(self, name: str) -> pd.DataFrame:
        """A table as a pandas frame."""
        return self.tables[name].to_pandas()

    def qtable(self, name: str) -> QTable:
        """A table with units and descriptions."""
        return to_qtable(self.tables[name])
