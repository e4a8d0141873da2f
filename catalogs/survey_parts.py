"""Parts of the whole survey, beside those of single galaxies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from catalogs.errors import CatalogError
from catalogs.parts import PartStore, Receipt
from catalogs.versions import SCHEMA_VERSION, Manifest, current_version

SURVEY_WIDE = "whole survey"
"""Stands for the galaxy in the names of parts that are of no single one."""


def published_part(root: Path, stage: str, key_in: Callable[[Manifest], str]) -> Receipt | None:
    """The part that is in the published catalog, None if there is none that is sound.

    Parameters
    ----------
    root : Path
        The run directory.
    stage : str
    key_in : callable
        Finds the key of the part in the manifest; empty for none.
    """
    version = current_version(root)
    if version is None:
        return None
    try:
        manifest = Manifest.read(version)
    except CatalogError:  # written by an older version: it is about to be replaced
        return None
    key = key_in(manifest)
    if not key or manifest.schema_version != SCHEMA_VERSION:
        return None
    return PartStore(root).find(SURVEY_WIDE, stage, key, full=True)
