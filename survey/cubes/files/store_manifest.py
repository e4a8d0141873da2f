"""The files of a store: listed when it is complete, and checked before it is read.

The list is an attribute of the group, as JSON. Its file is written last and has a hash of itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from catalogs.durable import FileRecord, find_damage, hash_bytes, record_files
from survey.cubes.store_layout import EARLIER_MASK, SPECTRA
from survey.errors import IntegrityError

METADATA = "zarr.json"
FILES, OWN_HASH = "files", "files_blake2b"
"""Attributes of the group: the other files, as JSON, and the hash of the file of the metadata,
computed with zeros in its place."""

EARLIER_MANIFEST = "manifest.json"
"""The list of files of stores of earlier versions, whose arrays have metadata of their own."""

UNKNOWN_HASH = "0" * 32
_OWN_HASH = re.compile(rb'"%s": "([0-9a-f]{32})"' % OWN_HASH.encode())


def write_manifest(folder: Path) -> None:
    """Complete the metadata of the group with the list of files.

    It has the metadata of all arrays already, whose own files are removed.
    """
    for array in folder.glob(f"*/{METADATA}"):
        array.unlink()
    path = folder / METADATA
    metadata = json.loads(path.read_text(encoding="utf-8"))
    others = [asdict(record) for record in record_files(folder) if record.path != METADATA]
    metadata["attributes"] |= {FILES: json.dumps(others), OWN_HASH: UNKNOWN_HASH}
    text = json.dumps(metadata, indent=1).encode()
    path.write_bytes(text.replace(_own_hash(UNKNOWN_HASH), _own_hash(hash_bytes(text))))


def _own_hash(value: str) -> bytes:
    return f'"{OWN_HASH}": "{value}"'.encode()


def read_manifest(path: Path) -> tuple[tuple[FileRecord, ...], bool]:
    """Read the list of files of a store.

    Returns
    -------
    files : tuple of FileRecord
        All but the one that lists them.
    consolidated : bool
        Whether the metadata of the arrays are in that of the group.

    Raises
    ------
    IntegrityError
        If the store was never completed, or its metadata have changed.
    """
    if (path / EARLIER_MANIFEST).is_file():
        return _read_earlier_manifest(path), False
    try:
        text = (path / METADATA).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise damaged_store(path, f"{METADATA} is missing, so it was never completed") from None
    stated = _OWN_HASH.findall(text)
    if len(stated) != 1:
        raise damaged_store(
            path, f"the list of files in {METADATA} is missing: it was never completed"
        )
    (blake2b,) = (hash.decode() for hash in stated)
    if hash_bytes(text.replace(_own_hash(blake2b), _own_hash(UNKNOWN_HASH))) != blake2b:
        raise damaged_store(path, f"{METADATA} has changed")
    files = json.loads(json.loads(text)["attributes"][FILES])
    return tuple(FileRecord(**record) for record in files), True


def _read_earlier_manifest(path: Path) -> tuple[FileRecord, ...]:
    try:
        manifest = json.loads((path / EARLIER_MANIFEST).read_text(encoding="utf-8"))
        files, blake2b = manifest["files"], manifest["blake2b"]
    except (ValueError, KeyError, TypeError):
        raise damaged_store(path, f"{EARLIER_MANIFEST} cannot be read") from None
    if _hash(files) != blake2b:
        raise damaged_store(path, f"{EARLIER_MANIFEST} has changed")
    return tuple(FileRecord(**record) for record in files)


def _hash(files: list[dict[str, Any]]) -> str:
    return hash_bytes(json.dumps(files, sort_keys=True).encode())


def check_files(path: Path) -> bool:
    """Check all that can be checked without reading spectra, which check themselves.

    Returns whether the metadata of the arrays are in that of the group.

    Raises
    ------
    IntegrityError
        If the store is incomplete or its metadata are damaged.
    """
    records, consolidated = read_manifest(path)
    spectra = [record for record in records if _holds_spectra(record)]
    others = [record for record in records if not _holds_spectra(record)]
    damage = find_damage(path, spectra, full=False) or find_damage(path, others, full=True)
    if damage:
        raise damaged_store(path, damage)
    return consolidated


def _holds_spectra(record: FileRecord) -> bool:
    array, _, rest = record.path.partition("/")
    return array in (*SPECTRA, EARLIER_MASK) and rest != METADATA


def damaged_store(path: Path, what: str) -> IntegrityError:
    """The error of a store that is not what was written."""
    return IntegrityError(
        f"the store is damaged: {what}", file=path, advice="Delete it and convert the cube again"
    )
