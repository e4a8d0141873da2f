"""Errors of disks, file systems and limits, recognised whatever exception they come as.

Libraries pass an error of the system on as it is, as the cause of an error of their own, or as text
in a message (Arrow). A full disk can surface anywhere: in a worker, in the ledger, while a catalog
is published. It is never due to a galaxy.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from survey.errors import DataError, MachineError

T = TypeVar("T")

LIMITS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file may not become this large",
    errno.EROFS: "the file system is read-only",
    errno.EMFILE: "this process may not open more files",
    errno.ENFILE: "this machine may not open more files",
    errno.ENOMEM: "the system has no memory left",
    errno.ENOLCK: "the file system has no locks left",
}
"""Errors for want of something: the next attempt fails too, until somebody makes room."""

FILE_SYSTEM = frozenset(
    {
        errno.EIO,
        errno.ESTALE,
        errno.EREMOTEIO,
        errno.ENODEV,
        errno.ENXIO,
        errno.ENOTCONN,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ETIMEDOUT,
    }
)
"""Errors of a file system, often of a network, which may pass, or be of one machine or one file."""

_IN_TEXT = re.compile(r"\[?errno:?\s+(\d+)\]?", re.IGNORECASE)
_DISK_FULL = re.compile(r"not enough space on disk|\d+ requested and \d+ written", re.IGNORECASE)
"""How astropy and NumPy say that, without a number."""

_DEEPEST = 20
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 15.0


def fault_number(error: BaseException) -> int | None:
    """The number (errno) of the fault behind an error; None if no disk or limit is behind it."""
    for cause in _causes(error):
        number = cause.errno if isinstance(cause, OSError) else None
        for found in (number, *_numbers_in(str(cause))):
            if found in LIMITS or (found in FILE_SYSTEM and not isinstance(cause, ConnectionError)):
                return found
    return None


def machine_error(
    error: BaseException, *, place: str | Path | None = None, result: Any = None
) -> MachineError | None:
    """The error as a `MachineError` with the path and what is needed; None if it is another.

    Parameters
    ----------
    error : Exception
    place : str or Path, optional
        Where the work writes, for errors that name no file.
    result : object, optional
        See `MachineError`.
    """
    for cause in _causes(error):
        if isinstance(cause, MachineError):
            return cause
    number = fault_number(error)
    if number is None:
        return None
    path = next((path for cause in _causes(error) if (path := _path_of(cause))), None) or place
    needed, found = _needed(number, path)
    text = LIMITS.get(number, "the file system fails")
    return MachineError(
        f"{text} ({os.strerror(number)})",
        file=path,
        expected=needed,
        found=found,
        advice="Run the same command again then: what is finished is not computed again.",
        result=result,
    )


def patiently(
    action: Callable[..., T],
    *arguments: Any,
    patience_s: float,
    warn: Callable[[str], None],
    place: str | Path | None = None,
) -> T:
    """Call a function again while a disk or file system fails, for up to `patience_s` seconds.

    Raises
    ------
    MachineError
        If the fault lasts.
    """
    start, wait = time.monotonic(), FIRST_WAIT_S
    while True:
        try:
            return action(*arguments)
        except Exception as error:
            fault = machine_error(error, place=place)
            if fault is None:
                raise
            left = start + patience_s - time.monotonic()
            if left <= 0:
                raise fault from error
            if wait == FIRST_WAIT_S:
                warn(waiting_text(fault, patience_s))
        time.sleep(min(wait, max(left, 0.0)))
        wait = min(2 * wait, LONGEST_WAIT_S)


def waiting_text(fault: MachineError, patience_s: float) -> str:
    """One line for the user that the survey waits."""
    place = f"{fault.file}: " if fault.file else ""
    return (
        f"{place}{fault.message}; needed: {fault.expected}. "
        f"The survey waits and tries again for up to {patience_s:g} s"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, from the last to the first.

    Also causes that a message leaves out ("from None"): they are not shown, but are facts.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting and len(seen) < _DEEPEST:
        cause = waiting.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions
        waiting += [cause.__cause__, cause.__context__]


def _numbers_in(text: str) -> Iterator[int]:
    yield from (int(number) for number in _IN_TEXT.findall(text))
    if _DISK_FULL.search(text):
        yield errno.ENOSPC
    for number in LIMITS:
        if f": {os.strerror(number)}" in text or text == os.strerror(number):
            yield number


def _path_of(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        names = [error.filename2, error.filename]
        return next((os.fsdecode(name) for name in names if isinstance(name, str | bytes)), None)
    # The message of a data error names the input, also where something else could not be written.
    return None if isinstance(error, DataError) else getattr(error, "file", None)


def _needed(number: int, path: str | Path | None) -> tuple[str, str | None]:
    """What is needed, and what there is, as seen from this process."""
    match number:
        case errno.ENOSPC:
            return _room(path)
        case errno.EDQUOT:
            return "room in the quota of this user or project", None
        case errno.EFBIG:
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
            limited = limit != resource.RLIM_INFINITY
            found = f"{limit} bytes (ulimit -f)" if limited else None
            return "a larger limit of the size of a file, or another file system", found
        case errno.EMFILE:
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            return "a larger limit of open files (ulimit -n)", f"{limit}"
        case errno.ENFILE:
            return "a larger limit of open files of the machine (fs.file-max)", None
        case errno.EROFS:
            return "a file system that can be written", None
        case errno.ENOMEM:
            return "free memory for the system", None
        case errno.ENOLCK:
            return "a file system with locks", None
    return "a file system that answers", None


def _room(path: str | Path | None) -> tuple[str, str | None]:
    folder = None if path is None else Path(path)
    while folder is not None and not folder.is_dir():
        folder = folder.parent if folder != folder.parent else None
    if folder is None:
        return "free space", None
    try:
        free, facts = shutil.disk_usage(folder).free, os.statvfs(folder)
    except OSError:
        return "free space", None
    found = f"{free} bytes and {facts.f_favail} inodes free"
    # What was half written may be gone again: the scarcer of the two is what was missing.
    inodes = facts.f_favail / facts.f_files if facts.f_files else 1.0
    scarce = inodes < 0.05 and inodes < facts.f_bavail / max(facts.f_blocks, 1)
    return "free inodes (fewer files)" if scarce else "free space", found
