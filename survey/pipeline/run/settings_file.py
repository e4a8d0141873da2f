"""Writes settings as TOML: a template for `survey init`, and the record of a run."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import get_args

import tomlkit
from pydantic import BaseModel
from tomlkit import TOMLDocument
from tomlkit.items import Table

from catalogs.durable import replacing, write_text
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
    "or the type of a galaxy, which gives both classes (catalogs/data/place_classes.ecsv).",
    "The galaxies here are the sample of Hermosa Munoz et al.; replace them with yours.",
)


def write_settings(
    settings: Settings, path: Path, *, comments: list[str], optional: bool = False
) -> None:
    """Write every setting, defaults included, below `comments`. `load_settings` reads it.

    With `optional`, tables that are not there by default are written too, as comments.
    """
    document = tomlkit.document()
    for line in comments:
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    _fill(document, settings, optional=optional)
    write_text(path, tomlkit.dumps(document))


def write_template(folder: Path) -> list[Path]:
    """Write a settings file with all defaults, and examples of targets and labels.

    Existing files are left unchanged; the paths that were written are returned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings_file, targets_file = folder / "survey.toml", folder / "targets.csv"
    labels_file = folder / LABELS_FILE
    written = []
    if not labels_file.exists():
        write_label_template(labels_file)
        written.append(labels_file)
    if not targets_file.exists():
        write_text(targets_file, EXAMPLE_TARGETS)
        written.append(targets_file)
    if not settings_file.exists():
        write_settings(
            Settings(targets=targets_file.name),
            settings_file,
            comments=[
                "All settings of a survey, with their defaults. Delete what you do not change.",
                "Start it with: survey run survey.toml",
            ],
            optional=True,
        )
        written.append(settings_file)
    return written


def write_label_template(path: Path) -> None:
    """Write labels of the nuclei and discs of the paper's sample, with room for regions."""
    from astropy.table import MaskedColumn  # slow to load
    from astropy.table import Table as AstropyTable

    sample = load_gatos_sample()
    table = AstropyTable({"galaxy": [galaxy.galaxy for galaxy in sample]})
    table["type"] = [galaxy.type for galaxy in sample]
    for name in ("place", "class"):
        table[name] = MaskedColumn([""] * len(sample), mask=True)
    for name, unit in (("ra", "deg"), ("dec", "deg"), ("radius", "arcsec")):
        table[name] = MaskedColumn([0.0] * len(sample), mask=True, unit=unit)
    table["reference"] = "Hermosa Munoz et al., table 1"
    table.meta["comments"] = list(LABELS_HELP)
    with replacing(path) as unfinished:
        table.write(unfinished, format="ascii.ecsv")


def _fill(
    container: TOMLDocument | Table, model: BaseModel, *, optional: bool, place: str = ""
) -> None:
    """Write the fields of a model: values first, then a table for each model among them."""
    plain = model.model_dump(mode="json", exclude_none=True)
    tables = {name: value for name, value in model if isinstance(value, BaseModel)}
    for name, value in plain.items():
        if name not in tables:
            container.add(name, value)
    if optional:
        for name, field in type(model).model_fields.items():
            for kind in get_args(field.annotation):
                if name not in plain and isinstance(kind, type) and issubclass(kind, BaseModel):
                    container.add(tomlkit.nl())
                    for line in _as_comments(f"{place}{name}", kind):
                        container.add(tomlkit.comment(line))
    for name, model_of_table in tables.items():
        table = tomlkit.table()
        for line in _help(type(model_of_table)):
            table.add(tomlkit.comment(line))
        _fill(table, model_of_table, optional=optional, place=f"{place}{name}.")
        container.add(name, table)


def _help(kind: type[BaseModel]) -> list[str]:
    return (inspect.getdoc(kind) or "").splitlines()


def _as_comments(name: str, kind: type[BaseModel]) -> list[str]:
    """A table that is left out, with its defaults; fields without one have a question mark."""
    values = kind().model_dump(mode="json")
    fields = [
        f"{field} = ?" if value is None else tomlkit.dumps({field: value}).strip()
        for field, value in values.items()
    ]
    return [f"[{name}]", *_help(kind), *fields]
