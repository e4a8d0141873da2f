"""Pages of the repository outside `docs` as pages of the site: the notebooks, and `deploy`.

They are copied into `docs/notebooks` and `docs/deploy` (not committed) before the sources are read.
What they call `../docs/method.md` is `../method.md` there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

FOLDERS = ("notebooks", "deploy")


def copy_pages(app: Sphinx, config: Config) -> None:
    """Copy the folders, so that what is gone there is gone here."""
    docs = Path(app.srcdir)
    for name in FOLDERS:
        source, copy = docs.parent / name, docs / name
        for old in sorted(copy.rglob("*"), reverse=True):
            if not (source / old.relative_to(copy)).is_file() and old.is_file():
                old.unlink()
        for file in source.rglob("*"):
            own = copy / file.relative_to(source)
            if file.is_file() and _differs(file, own):
                own.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, own)


def _differs(file: Path, copy: Path) -> bool:
    # Unchanged files keep their times, so that their pages are not written again.
    return not copy.is_file() or copy.read_bytes() != file.read_bytes()


def adapt_links(app: Sphinx, name: str, source: list[str]) -> None:
    """Replace the links of a page before it is parsed."""
    if name.startswith(tuple(f"{folder}/" for folder in FOLDERS)):
        source[0] = source[0].replace("](../docs/", "](../")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register both."""
    app.connect("config-inited", copy_pages)
    app.connect("source-read", adapt_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
