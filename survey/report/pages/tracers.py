"""What the pages show of tracers: what they say of a galaxy, and their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from catalogs.durable import write_text
from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, safe_name
from catalogs.query import Catalog
from catalogs.survey_parts import TRACED
from survey.errors import IntegrityError
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.validation.trace_task import clustered_field, read_map, read_rows
from survey.report.pages.numbers import rounded, script_json
from survey.report.pages.paths import FOLDER, address, tracer_path
from survey.report.provenance import drawn_for

COLUMNS = ("tracer", "compared", "outcome", "value", "p_value", "n_spaxel", "meaning")
"""Of the table `tracers` on the page of a galaxy."""


def write_tracer_picture(root: Path, galaxy: str, part_key: str, tracer: str, key: str) -> None:
    """Draw the picture of a tracer, unless it is there and of this result.

    Parameters
    ----------
    root : Path
        The run directory.
    galaxy : str
    part_key : str
        Key of its committed part.
    tracer : str
    key : str
        Key of the part with what the tracer says of it.

    Raises
    ------
    IntegrityError
        If a part that is needed is missing.
    """
    path = tracer_path(root, galaxy, tracer)
    if drawn_for(path) == key:
        return
    from survey.report.tracers import draw_tracer  # loads Matplotlib

    store = PartStore(root)
    part = store.find(galaxy, STAGES[-1].name, part_key)
    traced = store.find(galaxy, TRACED, key)
    if part is None or traced is None:
        raise IntegrityError(
            f"a part of {galaxy} is missing",
            file=root,
            advice="Run the survey again, then validate it.",
        )
    row = read_part_table(part, "galaxies").to_pylist()[0]
    rows = read_rows(traced)
    is_velocity = any(one.get("slope") is not None for one in rows["tracers"])
    draw_tracer(
        row,
        read_part_table(part, "spaxels").to_pandas(),
        read_map(traced),
        rows,
        path,
        tracer=tracer,
        velocity_km_s=clustered_field(part, row, root).velocity_km_s if is_velocity else None,
        stamp=key,
    )


def write_tracer_data(root: Path, catalog: Catalog) -> None:
    """Write the script that names the galaxies with tracers, and one with theirs for each."""
    folder = root / FOLDER / "data"
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    # A catalog of an earlier version has no such table.
    rows = catalog.tracers() if "tracers" in catalog.tables else pd.DataFrame({"galaxy": []})
    for name, of_galaxy in rows.groupby("galaxy", sort=False):
        file = folder / "tracers" / f"{safe_name(str(name))}.js"
        file.parent.mkdir(exist_ok=True)
        found = _of_galaxy(root, str(name), of_galaxy)
        write_text(file, f"const SURVEY_TRACERS = {script_json(found)}\n")
        files[str(name)] = address(file, root / FOLDER)
    write_text(folder / "tracers.js", f"const SURVEY_TRACER_FILES = {script_json(files)}\n")


def _of_galaxy(root: Path, galaxy: str, rows: pd.DataFrame) -> dict[str, Any]:
    pictures = {
        str(tracer): address(path, root / FOLDER)
        for tracer in rows["tracer"].unique()
        if (path := tracer_path(root, galaxy, str(tracer))).exists()
    }
    return {
        "columns": COLUMNS,
        "rows": [
            [rounded(row[name]) if isinstance(row[name], float) else row[name] for name in COLUMNS]
            for row in rows.to_dict("records")
        ],
        "pictures": pictures,
    }
