"""What the pages show of a validation: verdicts of all galaxies, and a table for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from catalogs.durable import write_text
from catalogs.parts import safe_name
from catalogs.query import Catalog
from catalogs.validation.columns import VERDICT_QUESTION, VERDICTS, WHOLE_GALAXY
from survey.report.pages.numbers import rounded, script_json
from survey.report.pages.paths import FOLDER, address

COLUMNS = ("question", "variant", "cluster", "value", "null_median", "threshold", "verdict",
           "meaning")  # fmt: skip
"""Of the table `validation` on the page of a galaxy."""


def write_validation_data(root: Path, catalog: Catalog) -> None:
    """Write the script with the verdicts, and one with all answers for every validated galaxy.

    Pages that are opened from disk may not read other files, but may load scripts; the page of a
    galaxy loads its answers only if the first script names them.
    """
    folder = root / FOLDER / "data"
    folder.mkdir(parents=True, exist_ok=True)
    verdicts: dict[str, Any] = {}
    # A catalog of an earlier version has no such table.
    rows = catalog.validation() if "validation" in catalog.tables else pd.DataFrame({"galaxy": []})
    for name, of_galaxy in rows.groupby("galaxy", sort=False):
        file = folder / "validation" / f"{safe_name(str(name))}.js"
        file.parent.mkdir(exist_ok=True)
        write_text(file, f"const SURVEY_ANSWERS = {script_json(_answers(of_galaxy))}\n")
        verdicts[str(name)] = _verdicts(of_galaxy) | {"file": address(file, root / FOLDER)}
    write_text(folder / "validation.js", f"const SURVEY_VERDICTS = {script_json(verdicts)}\n")


def verdict_counts(galaxies: pd.DataFrame) -> list[tuple[str, int]]:
    """Galaxies by verdict; empty if none was validated."""
    found = list(galaxies["verdict"]) if "verdict" in galaxies else []
    counts = [(verdict, found.count(verdict)) for verdict in VERDICTS]
    return counts if any(count for _, count in counts) else []


def _verdicts(rows: pd.DataFrame) -> dict[str, Any]:
    """The verdict on a galaxy, and those on its clusters by number."""
    found = rows[rows["question"] == VERDICT_QUESTION]
    of = {int(row["cluster"]): row for row in found.to_dict("records")}
    whole = of.pop(WHOLE_GALAXY)
    return {
        "verdict": whole["verdict"],
        "stability": rounded(whole["value"]),
        "meaning": whole["meaning"],
        "clusters": {
            number: [row["verdict"], rounded(row["value"]), row["meaning"]]
            for number, row in of.items()
        },
    }


def _answers(rows: pd.DataFrame) -> dict[str, Any]:
    """The answers as a table."""
    shown = rows[rows["question"] != VERDICT_QUESTION]
    return {
        "columns": COLUMNS,
        "rows": [
            [rounded(row[name]) if isinstance(row[name], float) else row[name] for name in COLUMNS]
            for row in shown.to_dict("records")
        ],
    }
