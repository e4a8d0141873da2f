"""Writes the pages of a run, and copies what they need beside them."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from catalogs.durable import replacing, write_text
from survey import __version__
from survey.cubes.store import open_store, stored_spectra
from survey.pipeline.galaxy.stage import store_path
from survey.pipeline.reference import reference_of_run, vocabulary_of_run
from survey.report.galaxy_parts import read_galaxy_parts
from survey.report.page import write_template
from survey.report.pages.cells import Cells, cell_spectra
from survey.report.pages.definitions import short_definitions, write_definitions
from survey.report.pages.galaxy_data import galaxy_data
from survey.report.pages.numbers import script_json
from survey.report.pages.paths import (
    FOLDER,
    bokeh_scripts,
    is_page_of,
    page_path,
    stamp,
    thumbnail_path,
)
from survey.report.pages.thumbnail import write_thumbnail
from survey.report.pages.tree_data import tree_data
from survey.spectra.grid import rest_wavelength

STATIC = "static"
FACTS = (
    ("files", "files"), ("instrument", "instrument"), ("band", "band"),
    ("redshift", "redshift"), ("spaxels clustered", "n_spaxel"), ("clusters", "n_cluster"),
    ("criterion of the cut", "criterion"), ("linkage", "linkage"),
    ("path to the tree", "linkage_path"), ("median continuum S/N", "snr"),
    ("seconds", "seconds_total"), ("peak memory (bytes)", "peak_memory_bytes"),
    ("content hash", "content_hash"), ("part", "part_key"),
)  # fmt: skip
"""Of the table `galaxies` on the page of a galaxy: its name there, and its column."""


def write_galaxy_page(root: Path, galaxy: str, key: str) -> None:
    """Write the page and the thumbnail of a galaxy, unless they are from this part already.

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
    if is_page_of(root, galaxy, key):
        return
    page = page_path(root, galaxy)
    parts = read_galaxy_parts(root, galaxy, key)
    row, spaxels = parts.row, parts.tables["spaxels"]
    cells = Cells.of_spaxels(spaxels["y"].to_numpy(), spaxels["x"].to_numpy())
    spectra = _stored_cells(store_path(root, galaxy, parts.keys["read"]), row, spaxels, cells)
    data = galaxy_data(row, parts.tables, cells, spectra, reference_of_run(root))
    data["tree"] = tree_data(parts.tree, parts.labels, parts.cut, parts.tables["splits"])
    write_thumbnail(row, spaxels, thumbnail_path(root, galaxy))
    page.parent.mkdir(parents=True, exist_ok=True)
    write_template(
        page,
        "galaxy.html",
        stamp=stamp(key),
        title=galaxy,
        row=row,
        facts=[(name, _text(row[column]), column) for name, column in FACTS],
        data=script_json(data),
        version=__version__,
    )


def _text(value: Any) -> str:
    if isinstance(value, (list, np.ndarray)):
        return ", ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _stored_cells(
    path: Path, row: dict[str, Any], spaxels: pd.DataFrame, cells: Cells
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rest wavelengths and spectra of the cells; None if the store is gone."""
    if not path.exists():
        return None
    store = open_store(path)
    flux, _, bad = stored_spectra(path)
    stored = pd.DataFrame({axis: store[axis].values for axis in "yx"})
    rest = rest_wavelength(store["wavelength"].values, row["redshift"])
    return cell_spectra(cells, spaxels, stored, rest, lambda rows: (flux[rows], bad[rows]))


def copy_static(root: Path) -> None:
    """Copy scripts and styles, and BokehJS, beside the pages, and write what numbers mean."""
    folder = root / FOLDER / STATIC
    folder.mkdir(parents=True, exist_ok=True)
    own = files("survey.report") / STATIC
    for source in own.iterdir():
        write_text(folder / source.name, source.read_text(encoding="utf-8"))
    definitions = script_json(short_definitions(vocabulary_of_run(root)))
    write_text(folder / "definitions.js", f"const SURVEY_DEFINITIONS = {definitions}\n")
    write_definitions(root / FOLDER, reference_of_run(root), vocabulary_of_run(root))
    for source in bokeh_scripts():
        copy = folder / source.name
        if not copy.exists() or copy.stat().st_size != source.stat().st_size:
            with replacing(copy) as unfinished:
                shutil.copyfile(source, unfinished)
