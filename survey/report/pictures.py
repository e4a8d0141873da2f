"""Pictures of galaxies for papers: the map with the spectra, the dendrogram, maps of fractions.

They are drawn only if they are asked for: the pages of a run show the same and more.
"""

from __future__ import annotations

from pathlib import Path

from catalogs.parts import safe_name
from survey.pipeline.reference import reference_of_run
from survey.report.dendrogram import draw_tree
from survey.report.fractions import draw_fractions, has_fractions
from survey.report.galaxy import draw_galaxy
from survey.report.galaxy_parts import read_galaxy_parts
from survey.report.pages.paths import FOLDER
from survey.report.provenance import drawn_for


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
    parts = read_galaxy_parts(root, galaxy, key)
    row, tables = parts.row, parts.tables
    map_path.parent.mkdir(parents=True, exist_ok=True)
    draw_galaxy(
        row, tables["clusters"], tables["spaxels"], tables["spectra"], map_path, stamp=key,
        reference=reference_of_run(root),
    )  # fmt: skip
    if has_fractions(tables["spaxels"]):
        draw_fractions(row, tables["spaxels"], fractions_path, stamp=key)
    else:
        fractions_path.unlink(missing_ok=True)
    draw_tree(galaxy, parts.tree, parts.labels, parts.cut, tables["splits"], tree_path, stamp=key)
    return tuple(path for path in picture_paths(root, galaxy) if path.exists())


def picture_paths(root: Path, galaxy: str) -> tuple[Path, Path, Path]:
    """Paths of the map, the dendrogram and the fractions of a galaxy."""
    folder, name = root / FOLDER / "pictures", safe_name(galaxy)
    return folder / f"{name}.png", folder / f"{name}-tree.png", folder / f"{name}-fractions.png"
