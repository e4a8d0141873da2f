"""Starts a survey of a packaged sample: settings, labels, and what is to be fetched."""

from __future__ import annotations

from pathlib import Path

from survey.config import build_settings
from survey.pipeline.run.fetch import (
    FETCH_FILE,
    HELD_OUT_TABLE,
    TABLE,
    Selection,
    write_selection,
)
from survey.pipeline.run.settings_file import LABELS_FILE, write_label_template, write_settings

SETTINGS, HELD_OUT_SETTINGS = "survey.toml", "test.toml"


def write_sample(sample: str, folder: Path) -> list[Path]:
    """Write the files of a survey of a sample; existing ones are left unchanged.

    `survey fetch` then writes the targets tables that the settings name: of the galaxies that the
    classes are trained on, and of those that are held out.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ConfigError
        If there is no such sample.
    """
    selection = Selection(sample=sample)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    if not (folder / FETCH_FILE).exists():
        written.append(write_selection(selection, folder))
    if not (folder / LABELS_FILE).exists():
        write_label_template(folder / LABELS_FILE)
        written.append(folder / LABELS_FILE)
    for name, table, values, about in (
        (
            SETTINGS,
            TABLE,
            {"classes": {"labels": LABELS_FILE}},
            "The galaxies that the classes are trained on: survey run survey.toml",
        ),
        (
            HELD_OUT_SETTINGS,
            HELD_OUT_TABLE,
            {},
            "The galaxies that are held out: survey run test.toml --out test",
        ),
    ):
        if not (folder / name).exists():
            settings = build_settings(
                {"preset": sample, "targets": table, **values}, source=f"sample {sample}"
            )
            write_settings(settings, folder / name, comments=[about])
            written.append(folder / name)
    return written
