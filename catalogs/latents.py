"""Latents of clusters: one part for the whole survey, a table of the catalog.

It says of which parts of galaxies it was made. Of a galaxy that was added or changed since
there are no rows: its clusters are not those that were encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, Receipt
from catalogs.survey_parts import SURVEY_WIDE, published_part

STAGE = TABLE = "latents"


@dataclass(frozen=True)
class Latents:
    """Committed latents of the clusters of a survey.

    The summary of their receipt has `model`, the hash of the representation, and `galaxies`,
    the key of the part of every galaxy.
    """

    receipt: Receipt

    @property
    def model(self) -> str:
        """Hash of the representation that made them: only of one and the same can be compared."""
        return str(self.receipt.summary["model"])

    def table(self, galaxies: Mapping[str, str]) -> pa.Table:
        """Rows of those of the galaxies whose part, by its key, is still the one encoded."""
        encoded = self.receipt.summary["galaxies"]
        current = [name for name, key in galaxies.items() if encoded.get(name) == key]
        rows = read_part_table(self.receipt, TABLE)
        return rows.filter(pc.is_in(rows["galaxy"], pa.array(current, pa.string())))


def current_latents(root: Path) -> Latents | None:
    """The latents in the published catalog, None if there are none that are sound."""
    receipt = published_part(root, STAGE, lambda manifest: manifest.latents)
    return Latents(receipt) if receipt else None


def commit_latents(
    root: Path,
    key: str,
    *,
    model: str,
    galaxies: Mapping[str, str],
    write: Callable[[Path], None],
    summary: Mapping[str, object],
) -> Latents:
    """Commit what `write` writes into a folder: the table `latents`."""
    facts = {**summary, "model": model, "galaxies": dict(galaxies)}
    return Latents(PartStore(root).commit(SURVEY_WIDE, STAGE, key, write, facts))
