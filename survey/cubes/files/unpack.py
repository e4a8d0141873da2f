"""Unpacks compressed FITS files: gzip, bzip2, xz, zip; never more than the headers in them imply.

A few kilobytes can unpack to terabytes. So a file is unpacked from header to header: each says
how many bytes follow, and that is compared with the size of the packed file and with the room on
the disk before these are written. What comes behind the last extension is read only to check the
file's own checksum, and within a limit.
"""

from __future__ import annotations

import bz2
import lzma
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from survey.cubes.files.cube_file import CubeFile
from survey.cubes.files.structure import ALWAYS_BYTES, MOST_RATIO, HeaderUnit, header_units
from survey.errors import DataError, ResourceError

CORRUPT = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What the decompressors raise at damage."""

MOST_TRAILING_BYTES = 64 << 20
"""Behind the last extension, and of zeros behind the end of a packed file."""

_PIECE = 1 << 20
_XZ_MEMORY = 128 << 20
"""xz -9 needs half of it; a file may ask for 4 GiB."""

_MOST_DIRECTORY_BYTES = 1 << 20


class _Decompressor(Protocol):
    """What bz2 and lzma have, and `_Inflate` for gzip."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Inflate:
    """A decompressor of gzip with the methods of those of bz2 and lzma."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def needs_input(self) -> bool:
        return not self._engine.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._engine.decompress(self._engine.unconsumed_tail + data, max_length)


class _Packed:
    """The content of a compressed file, a piece at a time."""

    def __init__(self, file: IO[bytes], magic: bytes, new: Callable[[], _Decompressor]) -> None:
        self._file, self._magic, self._new = file, magic, new
        self._engine, self._waiting, self._ended = new(), b"", False

    def read(self, size: int) -> bytes:
        """Some of the next bytes, at most `size`; none at the end."""
        while not self._ended:
            if self._engine.eof:
                self._begin_next()
                continue
            data, self._waiting = self._waiting, b""
            if not data and self._engine.needs_input:
                data = self._file.read(_PIECE)
            found = self._engine.decompress(data, size)
            if found:
                return found
            if not data and self._engine.needs_input and not self._engine.eof:
                raise EOFError("it ends before its own end mark")
        return b""

    def _begin_next(self) -> None:
        """Begin the next of several streams one behind the other, or end; zeros may follow."""
        rest, zeros = self._engine.unused_data, 0
        while not (left := rest.lstrip(b"\0")):
            zeros += len(rest)
            if zeros > MOST_TRAILING_BYTES:
                raise EOFError(f"over {zeros} bytes of zeros follow its end mark")
            rest = self._file.read(_PIECE)
            if not rest:
                self._ended = True
                return
        if not left.startswith(self._magic[: len(left)]):
            raise EOFError("other bytes follow its end mark")
        self._engine, self._waiting = self._new(), left


class _Member:
    """The only file in a zip archive."""

    def __init__(self, file: IO[bytes], path: str | Path) -> None:
        _check_directory(file, path)
        archive = zipfile.ZipFile(file)
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise DataError(
                "an archive is no cube",
                file=path,
                expected="one file in it",
                found=f"{len(members)} files",
                advice="Unpack it, or name the cubes in it as zip://MEMBER::ARCHIVE",
            )
        known = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
        if members[0].flag_bits & 1 or members[0].compress_type not in known:
            raise DataError(
                "the archive cannot be unpacked here",
                file=path,
                expected="a zip archive of the usual kind (deflate), without a password",
                found=f"method {members[0].compress_type}, flags {members[0].flag_bits}",
                advice="Unpack it, and name the cube",
            )
        self._member = archive.open(members[0])

    def read(self, size: int) -> bytes:
        return self._member.read(size)


def _check_directory(file: IO[bytes], path: str | Path) -> None:
    """Check the size of the list of files before it is read; it ends the archive."""
    end = file.seek(0, 2)
    file.seek(max(0, end - 65557))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("it has no list of its files")
    (n_bytes,) = struct.unpack_from("<I", tail, at + 12)
    if n_bytes > _MOST_DIRECTORY_BYTES:
        raise DataError(
            "an archive is no cube",
            file=path,
            expected="one file in it",
            found=f"a list of files of {n_bytes} bytes",
            advice="Unpack it, and name the cubes",
        )
    file.seek(0)


_KINDS: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": _Inflate,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY),
}
"""First bytes of a compressed file, whatever its name, and what unpacks it."""

_ZIP = b"PK\x03\x04"


class Source:
    """The bytes of FITS in an open file from the first to the last, unpacked where needed.

    Attributes
    ----------
    is_packed : bool
    n_bytes : int
        Size of the file as it is on the disk.
    """

    def __init__(self, file: IO[bytes], path: str | Path) -> None:
        self.n_bytes = file.seek(0, 2)
        file.seek(0)
        start = file.read(6)
        file.seek(0)
        self._piece: Callable[[int], bytes] = file.read
        self._file, self.is_packed = file, True
        kind = next((magic for magic in _KINDS if start.startswith(magic)), None)
        if kind is not None:
            self._piece = _Packed(file, kind, _KINDS[kind]).read
        elif start.startswith(_ZIP):
            self._piece = _Member(file, path).read
        else:
            self.is_packed = False

    def read(self, size: int) -> bytes:
        """The next bytes, fewer than `size` only at the end."""
        pieces = []
        while size > 0 and (piece := self._piece(min(size, _PIECE))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> None:
        """Pass over bytes."""
        if not self.is_packed:
            self._file.seek(size, 1)
            return
        while size > 0 and (piece := self._piece(min(size, _PIECE))):
            size -= len(piece)


def check_cube_file(cube: str | Path | CubeFile) -> None:
    """Check that a file may be a FITS cube, in milliseconds.

    It is a regular file that begins as FITS or as a compressed file does; of a plain one the sizes
    that the headers imply are those of the file.

    Raises
    ------
    DataError
        If it is anything else.
    """
    path = str(cube)
    with CubeFile.of(cube).open() as file:
        source = Source(file, path)
        if source.is_packed:
            return
        _check_size(source, path)
        if source.n_bytes - file.tell() > max(MOST_TRAILING_BYTES, file.tell()):
            raise DataError(
                "most of the file is behind the end of its last extension",
                file=path,
                expected=f"{file.tell()} bytes from its headers",
                found=f"{source.n_bytes} bytes",
                advice="Download the file again",
            )


@contextmanager
def fits_content(
    file: IO[bytes], path: str | Path, *, scratch: Path | None, in_memory_bytes: int
) -> Iterator[IO[bytes]]:
    """The bytes of FITS in an open file, which can be read from anywhere.

    Parameters
    ----------
    file : binary file
    path : Path
        For messages.
    scratch : Path, optional
        Where a large compressed file is unpacked; the system's place for temporary files if None.
    in_memory_bytes : int
        A compressed file above this is unpacked into a temporary file.

    Raises
    ------
    DataError
        If it is not FITS, is shorter than its headers say, or unpacks to more than they say.
    ResourceError
        If the disk has no room for the unpacked file.
    """
    source = Source(file, path)
    if not source.is_packed:
        _check_size(source, path)
        file.seek(0)
        yield file
        return
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    place = None if scratch is None else str(scratch)
    with tempfile.SpooledTemporaryFile(in_memory_bytes, dir=place) as unpacked:
        _unpack(source, unpacked, path, place or tempfile.gettempdir())
        unpacked.seek(0)
        yield unpacked


def _check_size(source: Source, path: str | Path) -> None:
    """Compare the sizes that the headers imply with that of the file."""
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        data = source.read(size)
        at += len(data)
        return data

    def skip(size: int) -> None:
        nonlocal at
        at += size
        source.skip(size)

    for unit in header_units(read, skip, file=path):
        if at + unit.data_bytes > source.n_bytes:
            raise _truncated(path, at + unit.data_bytes, source.n_bytes)


def _unpack(source: Source, target: IO[bytes], path: str | Path, place: str) -> None:
    n_bytes = 0

    def read(size: int) -> bytes:
        nonlocal n_bytes
        data = source.read(size)
        n_bytes += len(data)
        target.write(data)
        return data

    def copy(size: int) -> None:
        while size > 0 and (piece := read(min(size, _PIECE))):
            size -= len(piece)

    for unit in header_units(read, copy, file=path):
        needed = n_bytes + unit.data_bytes
        check_ratio(unit, needed, source.n_bytes, path)
        if unit.data_bytes > (free := shutil.disk_usage(place).free):
            raise ResourceError(
                "no room on the disk to unpack the file",
                file=path,
                expected=f"{unit.data_bytes} bytes in {place}",
                found=f"{free} bytes free",
            )
    if n_bytes < needed:
        raise _truncated(path, needed, n_bytes)
    trailing = 0
    while piece := source.read(_PIECE):  # for its checksum, which is at its end
        trailing += len(piece)
        if trailing > MOST_TRAILING_BYTES:
            raise DataError(
                "the file unpacks to more than its headers say",
                file=path,
                expected=f"{needed} bytes",
                found=f"over {needed + trailing}",
                advice="Download the file again",
            )


def check_ratio(unit: HeaderUnit, needed_bytes: int, packed_bytes: int, path: str | Path) -> None:
    """Check that a packed file of this size may hold what its headers say.

    Raises
    ------
    DataError
        If no cube could be packed that well.
    """
    if needed_bytes > max(ALWAYS_BYTES, MOST_RATIO * packed_bytes):
        raise DataError(
            f"the file would unpack to more than a cube of its size can (extension {unit.number})",
            file=path,
            expected=f"{max(ALWAYS_BYTES, MOST_RATIO * packed_bytes)} bytes or less "
            f"from {packed_bytes} bytes",
            found=f"{needed_bytes} bytes",
            advice="If it is right, unpack it and name the unpacked file",
        )


def _truncated(path: str | Path, needed: int, found: int) -> DataError:
    return DataError(
        "the file is truncated",
        file=path,
        expected=f"{needed} bytes from its headers",
        found=f"{found} bytes",
        advice="Download the file again",
    )
