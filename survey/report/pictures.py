"""Pictures of galaxies for papers: the map with the spectra, the dendrogram, maps of fractions.

They are drawn only if they are asked for: the pages of a run show the same and more.
"""

from __future__ import annotations

import json
from pathlib import Path

from catalogs.part_tables import read_part_table
from catalogs.parts import safe_name
from survey.pipeline.galaxy.tree import load_array
from survey.pipeline.reference import reference_of_run, vocabulary_of_run
from survey.report.dendrogram import draw_tree
from survey.report.fractions import draw_fractions, has_fractions
from survey.report.galaxy import draw_galaxy
from survey.report.pages.paths import FOLDER
from survey.report.pages.site import part_of
from survey.report.provenance import drawn_for

TABLES = ("galaxies", "clusters", "spaxels", "spectra", "splits")


def draw_pictures(root: Path, galaxy: str, key: str) -> tuple[Path, ...]:
    """Draw one galaxy from its part, unless its pictures are from this part already.

    Parameters
    ----------
    root : Path
        The run directory.
    galaxy : str
    key : str
        Key of its committed part.

    Returns
    -------
    tuple of Path
        The map with the spectra, the dendrogram and, if the clusters have fractions, their maps.

    Raises
    ------
    IntegrityError
        If a part that is needed is missing or damaged.
    """
    map_path, tree_path, fractions_path = picture_paths(root, galaxy)
    if drawn_for(map_path) == drawn_for(tree_path) == key:
        return tuple(path for path in picture_paths(root, galaxy) if path.exists())
    measured = part_of(root, galaxy, "commit", key)
    keys = measured.summary["keys"]
    tree_part = part_of(root, galaxy, "tree", keys["tree"])
    profiled = part_of(root, galaxy, "profiles", keys["profiles"])
    vocabulary = vocabulary_of_run(root)
    tables = {name: read_part_table(measured, name, vocabulary).to_pandas() for name in TABLES}
    map_path.parent.mkdir(parents=True, exist_ok=True)
    row = {str(name): value for name, value in tables["galaxies"].iloc[0].items()}
    draw_galaxy(
        row, tables["clusters"], tables["spaxels"], tables["spectra"], map_path, stamp=key,
        reference=reference_of_run(root),
    )  # fmt: skip
    if has_fractions(tables["spaxels"]):
        draw_fractions(row, tables["spaxels"], fractions_path, stamp=key)
    else:
        fractions_path.unlink(missing_ok=True)
    cut = json.loads(profiled.read_bytes("cut.json"))
    leaves = tables["spaxels"]["cluster"].to_numpy()
    tree = load_array(tree_part, "tree.npy")
    draw_tree(galaxy, tree, leaves[leaves > 0], cut, tables["splits"], tree_path, stamp=key)
    return tuple(path for path in picture_paths(root, galaxy) if path.exists())


def picture_paths(root: Path, galaxy: str) -> tuple[Path, Path, Path]:
    """Paths of the map, the dendrogram and the fractions of a galaxy."""
    folder, name = root / FOLDER / "pictures", safe_name(galaxy)
    return folder / f"{name}.png", folder / f"{name}-tree.png", folder / f"{name}-fractions.png"
