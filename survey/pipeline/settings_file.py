"""Settings written as TOML: by `survey init` to start from, by a run to explain itself."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from pydantic import BaseModel

from survey.config import Settings

EXAMPLE_TARGETS = """\
galaxy,files,redshift,ra,dec
NGC 7469,NGC7469_ch3-short_s3d.fits;NGC7469_ch3-medium_s3d.fits,0.016317,345.8151,8.8739
"""


def write_settings(settings: Settings, path: Path, *, comments: list[str]) -> None:
    """Write every setting, defaults included, below `comments`. `load_settings` reads it."""
    lines = [*(f"# {comment}" for comment in comments), "", *_table("", settings)]
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(path)


def write_template(folder: Path) -> list[Path]:
    """Write a settings file with all defaults and an example of a targets table.

    Files that are there already are left alone; what was written is returned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings_file, targets_file = folder / "survey.toml", folder / "targets.csv"
    written = []
    if not targets_file.exists():
        targets_file.write_text(EXAMPLE_TARGETS, encoding="utf-8")
        written.append(targets_file)
    if not settings_file.exists():
        write_settings(
            Settings(targets=targets_file.name),
            settings_file,
            comments=[
                "Settings of a survey, all with their defaults: what you delete keeps its default.",
                "Start it with: survey run survey.toml",
            ],
        )
        written.append(settings_file)
    return written


def _table(name: str, model: BaseModel) -> list[str]:
    # JSON's spelling of strings, numbers, booleans and lists is TOML's as well.
    plain = model.model_dump(mode="json")
    tables = {key: value for key, value in model if isinstance(value, BaseModel)}
    lines = [
        f"{key} = {json.dumps(value)}"
        for key, value in plain.items()
        if value is not None and key not in tables
    ]
    for key, table in tables.items():
        path = f"{name}.{key}" if name else key
        about = inspect.getdoc(type(table)) or ""
        lines += ["", f"[{path}]", *(f"# {line}".rstrip() for line in about.splitlines())]
        lines += _table(path, table)
    return lines
