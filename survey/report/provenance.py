"""The key of its part in the metadata of a figure."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def drawn_for(path: Path) -> str | None:
    """The key that a figure was stamped with; None if there is no figure."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.info.get("Source")
