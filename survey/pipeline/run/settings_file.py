"""Settings written as TOML: by `survey init` to start from, by a run to explain itself."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from astropy.table import MaskedColumn, Table
from pydantic import BaseModel

from catalogs.reference import load_gatos_sample
from survey.config import Settings

EXAMPLE_TARGETS = """\
galaxy,files,redshift,ra,dec
NGC 7469,NGC7469_ch3-short_s3d.fits;NGC7469_ch3-medium_s3d.fits,0.016317,345.8151,8.8739
"""


LABELS_FILE = "labels.ecsv"
LABELS_HELP = (
    "Initial labels of clusters, for `survey classify RUN --labels labels.ecsv`.",
    "A row is a circle on the sky (galaxy or none, class, ra, dec, radius in arcsec),",
    "or the nucleus or disc of a galaxy (galaxy, place, class),",
    "or the type of a galaxy, which says the class of these (catalogs/data/place_classes.ecsv).",
    "The galaxies here are the sample of Hermosa Munoz et al.; put yours in their place.",
)


def write_settings(settings: Settings, path: Path, *, comments: list[str]) -> None:
    """Write every setting, defaults included, below `comments`. `load_settings` reads it."""
    lines = [*(f"# {comment}" for comment in comments), "", *_table("", settings)]
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(path)


def write_template(folder: Path) -> list[Path]:
    """Write a settings file with all defaults, and examples of targets and labels.

    Files that are there already are left alone; what was written is returned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings_file, targets_file = folder / "survey.toml", folder / "targets.csv"
    labels_file = folder / LABELS_FILE
    written = []
    if not labels_file.exists():
        write_label_template(labels_file)
        written.append(labels_file)
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


def write_label_template(path: Path) -> None:
    """Write labels of the nuclei and discs of the paper's sample, with room for regions."""
    sample = load_gatos_sample()
    table = Table({"galaxy": [galaxy.galaxy for galaxy in sample]})
    table["type"] = [galaxy.type for galaxy in sample]
    for name in ("place", "class"):
        table[name] = MaskedColumn([""] * len(sample), mask=True)
    for name, unit in (("ra", "deg"), ("dec", "deg"), ("radius", "arcsec")):
        table[name] = MaskedColumn([0.0] * len(sample), mask=True, unit=unit)
    table["reference"] = "Hermosa Munoz et al., table 1"
    table.meta["comments"] = list(LABELS_HELP)
    table.write(path, format="ascii.ecsv")


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
