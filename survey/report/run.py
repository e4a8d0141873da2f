"""The figures of a run: two for every galaxy, and one page that shows them all.

They are drawn from the committed parts and the published catalog, on the worker when a galaxy is
done, or later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from catalogs import open_catalog
from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, Receipt, safe_name
from catalogs.survey_parts import CLASSES, current_survey_parts
from survey.errors import IntegrityError
from survey.pipeline.reference import reference_of_run, vocabulary_of_run
from survey.report.page import Section, write_template
from survey.report.provenance import drawn_for

FOLDER = "report"
PAGE = "index.html"


def draw_galaxy_figures(root: Path, galaxy: str, key: str) -> None:
    """Draw one galaxy from its part, unless its figures are from this part already.

    Parameters
    ----------
    root : Path
        The run directory.
    galaxy : str
    key : str
        Key of its committed part.

    Raises
    ------
    IntegrityError
        If a part that is needed is missing or damaged.
    """
    map_path, tree_path = figure_paths(root, galaxy)
    if drawn_for(map_path) == drawn_for(tree_path) == key:
        return
    # Matplotlib is slow to load, and often there is nothing to draw.
    from survey.report.dendrogram import draw_tree
    from survey.report.galaxy import draw_galaxy

    measured = _part(root, galaxy, "commit", key)
    keys = measured.summary["keys"]
    tree_part = _part(root, galaxy, "tree", keys["tree"])
    profiled = _part(root, galaxy, "profiles", keys["profiles"])
    reference = reference_of_run(root)
    vocabulary = vocabulary_of_run(root)
    tables = {
        name: read_part_table(measured, name, vocabulary).to_pandas()
        for name in ("galaxies", "clusters", "spaxels", "spectra", "splits")
    }
    map_path.parent.mkdir(parents=True, exist_ok=True)
    row = {str(name): value for name, value in tables["galaxies"].iloc[0].items()}
    draw_galaxy(
        row, tables["clusters"], tables["spaxels"], tables["spectra"], map_path, stamp=key,
        reference=reference,
    )  # fmt: skip
    cut = json.loads((profiled.path / "cut.json").read_text(encoding="utf-8"))
    leaves = tables["spaxels"]["cluster"].to_numpy()
    tree = np.load(tree_part.path / "tree.npy")
    draw_tree(galaxy, tree, leaves[leaves > 0], cut, tables["splits"], tree_path, stamp=key)


def draw_all(root: str | Path, *, on_done: Callable[[str], None] = lambda name: None) -> Path:
    """Draw missing figures of the published galaxies, and write the page; returns its path."""
    root = Path(root)
    for row in open_catalog(root).galaxies.to_dict("records"):
        draw_galaxy_figures(root, row["galaxy"], row["part_key"])
        on_done(row["galaxy"])
    return write_page(root)


def write_page(root: str | Path) -> Path:
    """Write the page of a run: every galaxy with its figures, and the quarantined galaxies."""
    from survey.report.bpt import bpt_section  # slow to load, as is the next
    from survey.report.classes import class_section

    root = Path(root)
    catalog = open_catalog(root)
    galaxies, reference = catalog.galaxies, reference_of_run(root)
    sections: list[Section] = []
    drawn: list[tuple[str, str]] = []
    classification = current_survey_parts(root).get(CLASSES.name)
    if classification is not None:
        sections.append(class_section(catalog, classification, root / FOLDER, reference))
        drawn = [(x, y) for x, y in classification.summary["planes"]]
    if optical := bpt_section(catalog, root / FOLDER, drawn, reference):
        sections.append(optical)
    page = root / FOLDER / PAGE
    write_template(
        page,
        "index.html",
        galaxies=[_galaxy(root, row) for row in galaxies.to_dict("records")],
        n_cluster=int(galaxies["n_cluster"].sum()),
        sections=sections,
        failures=catalog.quarantine.to_dict("records"),
    )
    return page


def _galaxy(root: Path, row: dict[Hashable, Any]) -> dict[str, str]:
    """The facts of a galaxy for the page."""
    map_address, tree_address = (
        quote(path.relative_to(root / FOLDER).as_posix())
        for path in figure_paths(root, row["galaxy"])
    )
    facts = (
        f"{row['instrument']} {row['band'] or ''}, z = {row['redshift']:.5g}, "
        f"{row['n_spaxel']} spaxels, k = {row['n_cluster']} ({row['criterion']})"
    )
    return {"name": row["galaxy"], "facts": facts, "map": map_address, "tree": tree_address}


def figure_paths(root: Path, galaxy: str) -> tuple[Path, Path]:
    """Paths of the map and the dendrogram of a galaxy."""
    folder, name = root / FOLDER / "figures", safe_name(galaxy)
    return folder / f"{name}.png", folder / f"{name}-tree.png"


def _part(root: Path, galaxy: str, stage: str, key: str) -> Receipt:
    receipt = PartStore(root).find(galaxy, stage, key)
    if receipt is None:
        raise IntegrityError(
            f"the {stage} part of {galaxy} is missing",
            file=root,
            advice="Run the survey again: it computes what is missing.",
        )
    return receipt
