"""Opens input files: regular ones only, and without ever waiting for one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from survey.errors import DataError, FileAccessError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_OF_THE_PLACE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM}
"""Errors of what is not there or not permitted: on another machine it may be."""

_OF_THE_NAME = _OF_THE_PLACE | {
    *(errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.ENODEV, errno.EILSEQ),
}
"""Errors that the name or the permissions cause; all others are the machine's trouble."""

_LARGE_BYTES = 1 << 30
_LEAST_ALLOCATED = 0.01


_NOT_REPLACED = (
    "Patterns (*, ?) and variables ($) are not replaced: write the path of every file in full"
)


def regular_file(path: str | Path) -> os.stat_result:
    """Check that a file is a regular one that holds data; nothing is opened.

    Raises
    ------
    DataError
        If it does not exist, is a folder, a pipe or a device, or is large and nearly all of it was
        never written.
    OSError
        If the machine or its file system is in trouble.
    """
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        raise _of_the_name(error, path) from error
    _check(found, path)
    return found


def is_regular(path: str | Path) -> bool:
    """Whether `regular_file` has nothing against a file."""
    try:
        regular_file(path)
    except (DataError, OSError):
        return False
    return True


def size_of(path: str | Path) -> int:
    """Bytes of a regular file; 0 of anything else."""
    try:
        return regular_file(path).st_size
    except (DataError, OSError):
        return 0


@contextmanager
def open_input(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a regular file to be read.

    Raises
    ------
    DataError, OSError
        As `regular_file`.
    """
    regular_file(path)
    try:
        # Should a pipe have taken the place of the file meanwhile, opening must not wait for it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _of_the_name(error, path) from error
    with os.fdopen(descriptor, "rb") as file:
        _check(os.fstat(descriptor), path)
        yield file


def _check(found: os.stat_result, path: str | Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(found.st_mode)), "something else")
        raise DataError("not a file of data", file=path, expected="a regular file", found=kind)
    # Some file systems do not count blocks, and say 0.
    allocated = 512 * getattr(found, "st_blocks", 0) or found.st_size
    if found.st_size > _LARGE_BYTES and allocated < _LEAST_ALLOCATED * found.st_size:
        raise DataError(
            "nearly all of the file was never written",
            file=path,
            expected=f"{found.st_size} bytes on the disk, which is its size",
            found=f"{allocated} bytes",
            advice="Download the file again",
        )


def _of_the_name(error: OSError | ValueError, path: str | Path) -> Exception:
    """A `DataError` where the name is at fault, else the error itself.

    What is not found or not permitted here may be on another machine: `FileAccessError`.
    """
    if isinstance(error, OSError) and error.errno not in _OF_THE_NAME:
        return error
    if isinstance(error, FileNotFoundError):
        return FileAccessError(
            "no such file",
            file=path,
            expected="a file",
            found="nothing of that name",
            advice=_NOT_REPLACED
            if set("*?$") & set(str(path))
            else "Correct the path: it is relative to the targets table, or in [read.generic] to "
            "the cube",
        )
    kind, reason = DataError, "its name is not one"
    if isinstance(error, OSError):
        kind = FileAccessError if error.errno in _OF_THE_PLACE else DataError
        reason = error.strerror or str(error)
    return kind("the file cannot be opened", file=path, expected="a readable file", found=reason)
