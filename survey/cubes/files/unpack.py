"""Unpacks compressed files, whatever their names; they can only be read from the beginning."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import IO, cast

from survey.cubes.files.cube_file import CubeFile
from survey.errors import DataError

CORRUPT = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""Errors of a damaged compressed file."""

UNPACKED_IN_MEMORY_BYTES = 256 << 20
"""Above this size a compressed file is unpacked into a temporary file."""


@contextmanager
def _only_member(packed: IO[bytes]) -> Iterator[IO[bytes]]:
    """The only file in a zip archive."""
    with zipfile.ZipFile(packed) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise DataError(
                "an archive is no cube",
                expected="one file in it",
                found=f"{len(names)} files",
                advice="Name the cubes in it as zip://MEMBER::ARCHIVE",
            )
        with archive.open(names[0]) as member:
            yield member


@contextmanager
def _gzip(packed: IO[bytes]) -> Iterator[IO[bytes]]:
    with gzip.open(packed) as unpacked:
        yield cast(IO[bytes], unpacked)


_UNPACK: dict[bytes, Callable[[IO[bytes]], AbstractContextManager[IO[bytes]]]] = {
    b"\x1f\x8b": _gzip,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"PK\x03\x04": _only_member,
}
"""First bytes of a compressed file, whatever its name, and how it is unpacked."""


@contextmanager
def unpacked_content(file: CubeFile, scratch: Path | None = None) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked if it is packed, which can be read from anywhere.

    A file that is packed or cannot be read from anywhere is copied into memory if it is small, and
    otherwise into a temporary file in `scratch` (default: the system's place for them).

    Raises
    ------
    DataError
        If there is no such file, or it is a zip archive of several.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(file.open())
        start = cast(io.BufferedReader, stream).peek(6)[:6]
        unpack = next((how for magic, how in _UNPACK.items() if start.startswith(magic)), None)
        if unpack is None and stream.seekable():
            yield stream
            return
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        place = None if scratch is None else str(scratch)
        with tempfile.SpooledTemporaryFile(UNPACKED_IN_MEMORY_BYTES, dir=place) as unpacked:
            with stack, nullcontext(stream) if unpack is None else unpack(stream) as packed:
                shutil.copyfileobj(packed, unpacked, 1 << 20)
            # The packed file is closed by now.
            yield unpacked
