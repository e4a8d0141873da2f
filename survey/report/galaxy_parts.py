"""What pages and pictures of a galaxy are made from: its rows, its tree and its cut."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from catalogs.flags import has_flag
from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, Receipt
from survey.errors import IntegrityError
from survey.pipeline.galaxy.tree import load_array
from survey.pipeline.reference import vocabulary_of_run

TABLES = ("galaxies", "clusters", "spaxels", "spectra", "splits", "measurements")


@dataclass(frozen=True)
class GalaxyParts:
    """What is read of a galaxy's committed parts.

    Attributes
    ----------
    keys : dict of str
        The key of every stage.
    tables : dict of DataFrame
        Its rows of `TABLES`.
    tree : (n - 1, 4) array
        Linkage, in SciPy's format.
    cut : dict
        The record of the cut.
    """

    keys: dict[str, str]
    tables: dict[str, pd.DataFrame]
    tree: NDArray[Any]
    cut: dict[str, Any]

    @property
    def row(self) -> dict[str, Any]:
        """Its row of the table `galaxies`."""
        return {str(name): value for name, value in self.tables["galaxies"].iloc[0].items()}

    @property
    def labels(self) -> NDArray[Any]:
        """The cluster of every leaf of the tree, from 1."""
        spaxels = self.tables["spaxels"]
        clusters = spaxels["cluster"].to_numpy()
        # Those of a point source that was subtracted are not in the tree.
        return clusters[(clusters > 0) & ~has_flag("spaxels", spaxels["flags"], "point_source")]


def read_galaxy_parts(root: Path, galaxy: str, key: str) -> GalaxyParts:
    """Read the parts of a galaxy, by the key of the last one.

    Raises
    ------
    IntegrityError
        If a part that is needed is missing or damaged.
    """
    measured = _part_of(root, galaxy, "commit", key)
    keys = measured.summary["keys"]
    tree_part = _part_of(root, galaxy, "tree", keys["tree"])
    profiled = _part_of(root, galaxy, "profiles", keys["profiles"])
    vocabulary = vocabulary_of_run(root)
    return GalaxyParts(
        keys,
        {name: read_part_table(measured, name, vocabulary).to_pandas() for name in TABLES},
        load_array(tree_part, "tree.npy"),
        json.loads(profiled.read_bytes("cut.json")),
    )


def _part_of(root: Path, galaxy: str, stage: str, key: str) -> Receipt:
    receipt = PartStore(root).find(galaxy, stage, key)
    if receipt is None:
        raise IntegrityError(
            f"the {stage} part of {galaxy} is missing",
            file=root,
            advice="Run the survey again: it computes what is missing.",
        )
    return receipt
