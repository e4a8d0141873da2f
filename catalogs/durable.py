"""Writes folders that survive a crash: hashed, flushed to disk, then renamed in one step.

A rename within one file system is atomic, but only data that was flushed before the rename is
safe after a crash. Parts and versions of the catalog are both written this way.

Archives of thousands of galaxies would have too many small files. So a folder can be packed into
one file, a zip file without compression, which any program reads that reads zip files. Its
subfolders can be read like packed folders of their own, see `Packed`.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from catalogs.errors import CatalogError
from catalogs.owners import owned_name

LONGEST_STEM = 120
"""Bytes of a name that an unfinished file keeps: names have at most 255."""


ALWAYS = (1980, 1, 1, 0, 0, 0)
"""The time of all entries, so that equal content makes equal files."""


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
        The folder that the records describe, or the file that it was packed into, or a subfolder
        of such a file.
    records : iterable of FileRecord
        The files that must exist.
    full : bool
        Whether to compare the hashes too, which reads every file. Sizes are always compared.
    """
    packed = Packed.of(folder)
    if packed is not None:
        return packed.find_damage(records, full=full)
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


def pack(folder: Path, file: Path) -> None:
    """Write all files below a folder into one."""
    with ZipFile(file, "w", ZIP_STORED) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = ZipInfo(path.relative_to(folder).as_posix(), ALWAYS)
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, packed.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


@dataclass(frozen=True)
class Packed:
    """A folder inside a packed file.

    A subfolder of a packed folder need not have the files that the packed folder has itself: what
    is missing in it is looked for there. Hashes tell whether it is the same.

    Attributes
    ----------
    file : Path
        The packed file.
    prefix : str
        The path of the folder in it with a slash at its end; empty for the packed folder itself.
    """

    file: Path
    prefix: str = ""

    @classmethod
    def of(cls, place: Path) -> Packed | None:
        """What `place` is if it is a packed folder or a subfolder of one, which may be missing."""
        if place.is_file():
            return cls(place)
        if place.parent.is_file():
            return cls(place.parent, f"{place.name}/")
        return None

    def find_damage(self, records: Iterable[FileRecord], *, full: bool) -> str | None:
        """Describe what is wrong with its files; None if nothing is."""
        try:
            with self._opened() as packed:
                for record in records:
                    try:
                        entry = self._entry(packed, record.path)
                    except FileNotFoundError:
                        return f"{record.path} is missing"
                    if entry.file_size != record.size:
                        return f"{record.path} has {entry.file_size} bytes instead of {record.size}"
                    if full:
                        try:
                            content = _content(packed, entry)
                        except ValueError as error:
                            return f"{record.path}: {error}"
                        if hash_bytes(content) != record.blake2b:
                            return f"the content of {record.path} has changed"
        except ValueError as error:
            return str(error)
        return None

    def read(self, name: str) -> bytes:
        """The bytes of one of its files, or of that of the folder around it; see `read_entry`."""
        with self._opened() as packed:
            return _content(packed, self._entry(packed, name))

    def has(self, name: str) -> bool:
        """Whether the folder has a file of its own of this name."""
        try:
            with self._opened() as packed:
                return self.prefix + name in packed.NameToInfo
        except (ValueError, OSError):
            return False

    @contextmanager
    def _opened(self) -> Iterator[ZipFile]:
        with _damage_as_value_error():
            packed = ZipFile(self.file)
        with packed:
            yield packed

    def _entry(self, packed: ZipFile, name: str) -> ZipInfo:
        for path in (self.prefix + name, name):
            if path in packed.NameToInfo:
                return packed.NameToInfo[path]
        raise FileNotFoundError(f"{name} is not in {self.file}")


def _content(packed: ZipFile, entry: ZipInfo) -> bytes:
    if entry.compress_type != ZIP_STORED:
        raise ValueError(f"{entry.filename} is compressed")  # by whom? It may become any size.
    with _damage_as_value_error():
        return packed.read(entry)


@contextmanager
def _damage_as_value_error() -> Iterator[None]:
    try:
        yield
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"it cannot be unpacked: {error}") from error


def read_entry(place: Path, name: str) -> bytes:
    """The bytes of a file in a folder, packed or not.

    Raises
    ------
    FileNotFoundError
        If the folder or the file does not exist.
    ValueError
        If the packed folder is damaged.
    """
    packed = Packed.of(place)
    return (place / name).read_bytes() if packed is None else packed.read(name)


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


def write_json(path: Path, value: Any, *, flushed: bool = True) -> None:
    """Write a value as JSON, the same bytes for the same value; by default flush it to the disk."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, sort_keys=True, ensure_ascii=False)
        file.write("\n")
    if flushed:
        flush(path)


def flush(path: Path) -> None:
    """Flush one file, or the entries of one folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Flush all files and folders below `folder`, and the folder itself.

    Where the system can, the whole file system is flushed at once: a server that has to confirm
    every single file takes longer.
    """
    if not flush_file_system(folder):
        for path in folder.rglob("*"):
            flush(path)
        flush(folder)


def flush_file_system(path: Path) -> bool:
    """Flush the file system that `path` is on; False if this system cannot.

    Raises
    ------
    OSError
        If something could not be written.
    """
    syncfs = _syncfs()
    if syncfs is None:
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if syncfs(descriptor) == 0:
            return True
        error = ctypes.get_errno()
    finally:
        os.close(descriptor)
    if error in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM):
        return False
    raise OSError(error, os.strerror(error), str(path))


@cache
def _syncfs() -> Callable[[int], int] | None:
    """The call of Linux that flushes one file system; None where it reports no errors (< 5.8)."""
    if sys.platform != "linux":
        return None
    version = [int(number) for number in re.findall(r"\d+", os.uname().release)[:2]]
    if version < [5, 8]:
        return None
    try:
        function: Callable[[int], int] = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None
    return function


def refuse_unreadable(folder: Path) -> None:
    """Refuse tables without a footer below a folder: their writer was not closed.

    Raises
    ------
    CatalogError
        At the first one.
    """
    import pyarrow as pa  # slow to load, as is the rest

    for file in folder.rglob("*"):
        try:
            if file.suffix == ".arrow":
                pa.ipc.open_file(file.read_bytes())
            elif file.suffix == ".parquet":
                import pyarrow.parquet as pq

                pq.read_metadata(file)
        except (OSError, pa.ArrowException) as error:
            raise CatalogError(
                f"a file just written cannot be read back ({error})", file=file
            ) from None
