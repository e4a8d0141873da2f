"""Folders that survive a crash: hashed, flushed to the disk, moved into place in one step.

A rename within one file system is atomic, but only data that was flushed before it is sure
to be there afterwards. Parts and catalog versions are both made this way.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FileRecord:
    """What a file of a folder has to be: its path inside the folder, size and blake2b hash."""

    path: str
    size: int
    blake2b: str


def record_files(folder: Path) -> tuple[FileRecord, ...]:
    """Records of all files below `folder`, in order of path, hashed from what is stored."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(
        FileRecord(path.relative_to(folder).as_posix(), path.stat().st_size, hash_file(path))
        for path in files
    )


def find_damage(folder: Path, records: Iterable[FileRecord], *, full: bool) -> str | None:
    """Say what is wrong with the files of a folder, or None when all is well.

    Parameters
    ----------
    folder : Path
        The folder the records speak of.
    records : iterable of FileRecord
        What has to be there.
    full : bool
        Whether to compare the hashes too, which reads every file. Sizes always are.
    """
    for record in records:
        path = folder / record.path
        if not path.is_file():
            return f"{record.path} is missing"
        size = path.stat().st_size
        if size != record.size:
            return f"{record.path} has {size} bytes instead of {record.size}"
        if full and hash_file(path) != record.blake2b:
            return f"the content of {record.path} has changed"
    return None


def hash_bytes(data: bytes) -> str:
    """The blake2b hash (128 bits) of some bytes, as hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def hash_file(path: Path) -> str:
    """The same hash of a file's content, read in pieces."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file whole: to the name that is given, which then takes the place of `path`.

    Readers find the file as it was or as it is to be. If the block fails, it stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        flush(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole; see `replacing`."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, the same bytes for the same value, and flush it to the disk."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, sort_keys=True, ensure_ascii=False)
        file.write("\n")
    flush(path)


def flush(path: Path) -> None:
    """Flush one file, or the entries of one folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Flush all files and folders below `folder`, and the folder itself."""
    for path in folder.rglob("*"):
        flush(path)
    flush(folder)
