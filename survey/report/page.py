"""Writes pages from templates; all data in them is escaped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from catalogs.durable import write_text


@dataclass(frozen=True)
class PageFigure:
    """A figure on a page: its address relative to the page, its name and its caption."""

    source: str
    name: str
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A section of a page, with a title."""

    title: str
    text: str
    figures: tuple[PageFigure, ...]


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("survey.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def write_template(path: Path, template: str, **values: Any) -> None:
    """Write a page from a template of `survey/report/templates`."""
    write_text(path, _templates().get_template(template).render(values))
