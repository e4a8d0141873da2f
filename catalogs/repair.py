"""Finds damage of the published catalog and publishes it anew from its parts.

Every file is compared with its hash in the manifest, once at the start of a run. That reads the
catalog, about a hundredth of the cubes that a run reads anyway to know whether they have changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalogs.durable import FileRecord, find_damage
from catalogs.errors import CatalogError
from catalogs.parts import PartStore, Receipt
from catalogs.publish import publish, quarantine_hash
from catalogs.schema import to_arrow
from catalogs.survey_parts import survey_parts_of
from catalogs.versions import (
    FOLDER,
    LINK,
    MANIFEST,
    Manifest,
    OtherSchemaError,
    current_version,
    version_names,
)

READERS = 4
"""Threads that read files of the catalog, for file systems that answer slowly."""


@dataclass(frozen=True)
class Repair:
    """What was wrong with a published catalog, and what was done.

    Attributes
    ----------
    damage : str
    published : bool
        Whether a whole catalog is published now.
    lost : tuple of str
        Galaxies of the damaged catalog that the new one does not have, because their parts are
        damaged too. A run computes them again.
    """

    damage: str
    published: bool
    lost: tuple[str, ...] = ()

    def __str__(self) -> str:
        done = (
            "it was published anew from its parts"
            if self.published
            else ("this run publishes it anew")
        )
        text = f"the published catalog was damaged: {self.damage}; {done}"
        if self.lost:
            text += f", without {len(self.lost)} galaxies whose parts are damaged too"
        return text


def repair_catalog(root: str | Path) -> Repair | None:
    """Publish the catalog of a run anew if it is damaged; None if it is not.

    Only one process may do this at a time: hold the lock of the run.

    Parameters
    ----------
    root : str or Path
        The run directory.
    """
    root = Path(root)
    damage = find_catalog_damage(root)
    if damage is None:
        return None
    found = next(_manifests(root), None)
    if found is None:
        return Repair(damage, published=False)
    manifest, quarantine = found
    store = PartStore(root)
    folders = {part[0]: store.path(*part) for part in manifest.parts}
    parts = {galaxy: folder for galaxy, folder in folders.items() if _is_whole(folder)}
    try:
        publish(
            root,
            parts.values(),
            quarantine,
            metadata=manifest.metadata,
            vocabulary=manifest.vocabulary,
            survey_parts=survey_parts_of(root, manifest).values(),
            anew=True,
        )
    except (CatalogError, OSError) as error:
        return Repair(f"{damage} ({error})", published=False)
    return Repair(damage, published=True, lost=tuple(sorted(set(folders) - set(parts))))


def find_catalog_damage(root: Path) -> str | None:
    """What is wrong with the published catalog; None if nothing is, or none was published."""
    if not (root / LINK).is_symlink():
        # A folder in place of the link is a copy, which publishing refuses.
        lost = not (root / LINK).exists() and version_names(root)
        return f"the link {LINK} to it is missing" if lost else None
    version = current_version(root)
    if version is None:
        return f"the link {LINK} leads nowhere"
    try:
        manifest = Manifest.read(version)
    except OtherSchemaError:
        return None
    except CatalogError as error:
        return error.message
    if foreign := foreign_file(version, manifest):
        return foreign
    with ThreadPoolExecutor(READERS) as pool:
        damages = pool.map(lambda record: _damage_of_file(version, record), manifest.files)
        return next((damage for damage in damages if damage), None)


def foreign_file(version: Path, manifest: Manifest) -> str | None:
    """A file that a reader of the catalog would find and that is not in the manifest, or None."""
    stated = {record.path for record in manifest.files} | {MANIFEST}
    for path in sorted(version.rglob("*")):
        if path.name.startswith("."):  # Readers skip it, as what file systems leave of old files.
            continue
        if path.is_file() and path.relative_to(version).as_posix() not in stated:
            return f"{path.name} is not in the manifest"
    return None


def _damage_of_file(version: Path, record: FileRecord) -> str | None:
    try:
        return find_damage(version, [record], full=True)
    except OSError as error:  # A disk that cannot read a block any more.
        return f"{record.path} cannot be read ({error.strerror})"


def _manifests(root: Path) -> Iterator[tuple[Manifest, list[dict[str, Any]]]]:
    """What the published catalog was made from, with the rows of `quarantine`: the best first."""
    import pyarrow.parquet as pq  # slow to load

    link = root / LINK
    name = link.readlink().name if link.is_symlink() else version_names(root)[-1]
    with suppress(CatalogError):
        yield Manifest.read_copy(root, name)
    version = root / FOLDER / name
    try:
        manifest = Manifest.read(version)
    except CatalogError:
        return
    try:
        rows = pq.read_table(version / "quarantine.parquet")
    except (OSError, pa.ArrowException):
        rows = to_arrow("quarantine", [])
    is_whole = quarantine_hash(rows) == manifest.quarantine
    yield manifest, rows.to_pylist() if is_whole else []


def _is_whole(folder: Path) -> bool:
    try:
        return Receipt.read(folder).find_damage(full=True) is None
    except (CatalogError, OSError):
        return False
