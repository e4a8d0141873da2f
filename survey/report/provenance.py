"""Pictures say in themselves what they were made from."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def drawn_for(path: Path) -> str | None:
    """The key a picture was stamped with; None if there is no picture."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.info.get("Source")
