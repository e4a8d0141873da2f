"""Removes results of earlier settings and files from a run directory.

Parts are never overwritten: a changed setting makes new parts beside the old ones, so that
changing it back costs nothing. Parts that the current catalog does not use can be removed here, and
unfinished work of processes that were killed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from catalogs import open_catalog, owners
from catalogs.parts import PartStore, Receipt, safe_name
from catalogs.survey_parts import current_survey_parts
from catalogs.versions import BUILDING, FOLDER, Manifest
from survey.cubes.scratch import SCRATCH
from survey.errors import ConfigError
from survey.pipeline.galaxy.stage import Kept
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.leftovers import unfinished_work
from survey.pipeline.run.ledger import COMPLETE
from survey.pipeline.run.lock import exclusive
from survey.pipeline.run.status import read_status

PART_NAME = re.compile(r"[a-z]+-[0-9a-f]{32}")
"""Stage and key."""


@dataclass(frozen=True)
class Pruned:
    """Folders and files that the catalog does not use, and the bytes in them."""

    folders: tuple[Path, ...]
    n_bytes: int


def prune(root: str | Path, *, remove: bool = False) -> Pruned:
    """Find parts, converted cubes and unfinished work that the current catalog does not use.

    Parameters
    ----------
    root : str or Path
        The run directory.
    remove : bool
        Whether to remove them.

    Raises
    ------
    ConfigError
        If a run is active in `root`, or the last one was interrupted: its results are not in the
        catalog yet.
    CatalogError
        If there is no catalog, or a part of it is damaged.
    """
    root = Path(root).resolve()
    catalog = open_catalog(root)
    state = read_status(root).state
    if state != COMPLETE:
        raise ConfigError(
            "the last run is not complete",
            file=root,
            found=state,
            advice="Run the survey again first: the results of that run would be lost.",
        )
    with exclusive(root):
        manifest = Manifest.read(catalog.path)
        needed = set(_needed(root, manifest))
        unused = sorted(folder for folder in _all_results(root) if folder not in needed)
        unused += _unfinished(root)
        n_bytes = sum(_size(path) for path in unused)
        if remove:
            for path in unused:
                owners.remove(path)
    return Pruned(tuple(unused), n_bytes)


def _unfinished(root: Path) -> Iterator[Path]:
    """Unfinished work of processes that were killed, on any machine: nobody works in the run."""
    for path in unfinished_work(root):
        process = owners.Process.of_name(path.name)
        if process is None or not process.runs():
            yield path
    yield from root.glob(f"{SCRATCH}/*")
    yield from root.glob(f"{FOLDER}/{BUILDING}")


def _needed(root: Path, manifest: Manifest) -> Iterator[Path]:
    """Folders of the parts in the catalog, and of the stages that these were made from."""
    store = PartStore(root)
    for galaxy, stage, key in manifest.parts:
        receipt = Receipt.read(store.path(galaxy, stage, key))
        keys = receipt.summary["keys"]
        for made in STAGES:
            if made.kept.is_part:
                yield store.path(galaxy, made.name, keys[made.name])
            elif made.kept is Kept.STORE:
                yield root / "cubes" / f"{safe_name(galaxy)}-{keys[made.name]}.zarr"
    for product in current_survey_parts(root).values():
        for part in product.needed_parts():
            yield store.path(*part)


def _all_results(root: Path) -> Iterator[Path]:
    """Parts of all stages, also of earlier versions; other folders are ignored."""
    for folder in root.glob("parts/*/*"):
        if PART_NAME.fullmatch(folder.name):
            yield folder
    yield from root.glob("cubes/*.zarr")


def _size(folder: Path) -> int:
    files = folder.rglob("*") if folder.is_dir() else [folder]
    return sum(file.stat().st_size for file in files if file.is_file())
