"""Writes folders that survive a crash: hashed, flushed to disk, then renamed in one step.

A rename within one file system is atomic, but only data that was flushed before the rename is
safe after a crash. Parts and versions of the catalog are both written this way.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from catalogs.owners import owned_name

LONGEST_STEM = 120
"""Bytes of a name that an unfinished file keeps: names have at most 255."""


@dataclass(frozen=True)
class FileRecord:
    """A file of a folder: its path inside the folder, its size and its blake2b hash."""

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
    """Describe what is wrong with the files of a folder; None if nothing is.

    Parameters
    ----------
    folder : Path
        The folder that the records describe.
    records : iterable of FileRecord
        The files that must exist.
    full : bool
        Whether to compare the hashes too, which reads every file. Sizes are always compared.
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
    with path.open("rb") as file:
        return hash_stream(file)


def hash_stream(stream: IO[bytes]) -> str:
    """The same hash of what is left in a stream, read in pieces."""
    digest = hashlib.blake2b(digest_size=16)
    while piece := stream.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file in one step: the block writes another file, which is then renamed to `path`.

    Readers find either the old or the new file. If the block fails, the old file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = path.name.encode()[:LONGEST_STEM].decode(errors="ignore")
    unfinished = path.with_name(f".{stem}.{owned_name()}.unfinished")
    try:
        yield unfinished
        flush(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step; see `replacing`."""
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
