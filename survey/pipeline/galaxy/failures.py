"""What the failure of a galaxy on a worker says: about the galaxy, the worker, or the machine.

A galaxy is blamed for what is in its data. A full disk is nobody's fault. Anything else may be due
to the worker, and is said of the galaxy only after another worker has failed with it, too.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import catalogs
import survey
from catalogs.printable import printable
from survey.cubes.files.cube_file import CubeFile
from survey.errors import (
    DataError,
    FileAccessError,
    MachineError,
    MemoryNeeded,
    ResourceError,
    SurveyError,
    Unconfirmed,
    WorkersLost,
)
from survey.machine_faults import LIMITS, fault_number, machine_error

_PIECE_BYTES = 1 << 20


def raise_unless_of_the_data(
    error: Exception, result: Any, *, files: Sequence[CubeFile], root: Path
) -> None:
    """Raise an error that is not, or not yet, the galaxy's fault.

    Parameters
    ----------
    error : Exception
        Why the galaxy failed.
    result : object
        What is reported if the galaxy is blamed.
    files : sequence of CubeFile
        Its input files.
    root : Path
        The run directory.

    Raises
    ------
    MemoryNeeded, WorkersLost
        If it is one.
    MachineError
        If a disk, a file system or a limit is behind it. If the input files themselves cannot be
        read, it has the result.
    Unconfirmed
        If the worker may be the cause.
    """
    if isinstance(error, MemoryNeeded | WorkersLost):
        raise error
    if fault := machine_error(error, place=root):
        number = fault_number(error)
        if number not in LIMITS and (unreadable := _unreadable(files)) is not None:
            again = machine_error(unreadable) or fault
            raise MachineError(again.message, **again.details() | {"result": result}) from error
        raise fault from error
    if isinstance(error, DataError) and not isinstance(error, FileAccessError):
        return
    if isinstance(error, ResourceError):
        return
    raise Unconfirmed(str(error), result=result) from error


def _unreadable(files: Sequence[CubeFile]) -> OSError | None:
    """The error in reading the input files once more, or None if they can be read."""
    for file in files:
        if file.is_remote:
            continue
        try:
            with file.open() as stream:
                while stream.read(_PIECE_BYTES):
                    pass
        except OSError as error:
            return OSError(error.errno, error.strerror, file.address)
    return None


def failure_row(
    galaxy: str,
    stage: str,
    error: BaseException,
    *,
    content_hash: str | None = None,
    file: Path | CubeFile | None = None,
) -> dict[str, Any]:
    """A row of the table `quarantine`; `file` is named if the error names none."""
    if isinstance(error, SurveyError):
        if error.file is None and file is not None:
            error.file = str(file)
        message = str(error)
    elif isinstance(error, MemoryError):
        error = ResourceError("the worker ran out of memory", found=str(error))
        message = str(error)
    elif isinstance(error, OSError) and error.filename and error.strerror:
        error = FileAccessError(f"the file cannot be read ({error.strerror})", file=error.filename)
        message = str(error)
    else:
        # A bug of ours: record where it happened.
        message = f"{file}: " if file else ""
        message += printable(f"unexpected {type(error).__name__}{_place(error)}: {error}")
    return {
        "galaxy": galaxy,
        "stage": stage,
        "error": type(error).__name__,
        "message": message,
        "content_hash": content_hash,
    }


def _place(error: BaseException) -> str:
    """Where in our code an error comes from, as a path from the package on."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for package in (survey, catalogs):
            folder = Path(str(package.__file__)).parent
            if Path(frame.filename).is_relative_to(folder):
                path = Path(frame.filename).relative_to(folder.parent)
                return f" at {path.as_posix()}:{frame.lineno}"
    return ""
