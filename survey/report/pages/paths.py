"""Where the pages of a run are, and what they were written for."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from catalogs.parts import safe_name

FOLDER = "report"
"""Of a run directory."""

VERSION = 3
"""Of the pages: raised when their content changes, so that old ones are written again."""


def page_path(root: Path, galaxy: str) -> Path:
    """The page of a galaxy."""
    return root / FOLDER / "galaxies" / f"{safe_name(galaxy)}.html"


def thumbnail_path(root: Path, galaxy: str) -> Path:
    """The small map of a galaxy for the index."""
    return root / FOLDER / "thumbnails" / f"{safe_name(galaxy)}.png"


def tracer_path(root: Path, galaxy: str, tracer: str) -> Path:
    """The picture of a tracer of a galaxy."""
    return root / FOLDER / "tracers" / safe_name(galaxy) / f"{safe_name(tracer)}.png"


def address(path: Path, folder: Path) -> str:
    """The address of a file of the report, seen from a folder of it."""
    up = len(folder.relative_to(_report_of(folder)).parts)
    return "../" * up + quote(path.relative_to(_report_of(path)).as_posix())


def _report_of(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.name == FOLDER)


def written_for(page: Path) -> str | None:
    """The stamp of a page; None if there is no page."""
    try:
        with page.open(encoding="utf-8") as file:
            head = file.read(600)
    except OSError:
        return None
    found = re.search(r'name="part" content="([^"]*)"', head)
    return found[1] if found else None


def stamp(key: str) -> str:
    """The stamp of the page of the part `key` of a galaxy."""
    return f"{key}-{VERSION}"


def is_page_of(root: Path, galaxy: str, key: str) -> bool:
    """Whether the page of a galaxy, and its small map, are those of the part `key`."""
    is_current = written_for(page_path(root, galaxy)) == stamp(key)
    return is_current and thumbnail_path(root, galaxy).exists()


@cache
def bokeh_scripts() -> tuple[Path, ...]:
    """The scripts of BokehJS that the pages use."""
    package = find_spec("bokeh")  # found without being loaded
    if package is None or package.origin is None:
        raise ModuleNotFoundError("bokeh is not installed")
    folder = Path(package.origin).parent / "server" / "static" / "js"
    return folder / "bokeh.min.js", folder / "bokeh-api.min.js"
