"""Writes pages from templates; all data in them is escaped, and what does not print."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from catalogs.durable import write_text
from catalogs.printable import printable


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
        trim_blocks=True, lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip


def _shown(value: Any) -> Any:
    """A value of a template; what does not print is an escape, and markup of ours stays."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value, keep="\n")
    return value


def write_template(path: Path, template: str, **values: Any) -> None:
    """Write a page from a template of `survey/report/templates`."""
    write_text(path, _templates().get_template(template).render(values))
