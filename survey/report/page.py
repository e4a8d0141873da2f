"""Pages are made of templates: what they show is data, escaped when it is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from catalogs.durable import write_text


@dataclass(frozen=True)
class Picture:
    """A picture on a page: its address from there, its name, and what it shows."""

    source: str
    name: str
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page with a title of its own."""

    title: str
    text: str
    pictures: tuple[Picture, ...]


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("survey.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def write_template(path: Path, template: str, **values: Any) -> None:
    """Write a page from a template of `survey/report/templates`."""
    write_text(path, _templates().get_template(template).render(values))
