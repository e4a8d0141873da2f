"""Input files: the hash of their content, and what tells without reading them that it still holds.

An archive has terabytes, and reading them to find that nothing has changed takes days. Whoever
hashes a file also records its size, modification time and inode. As long as these agree, so does
the content. Keys of results depend on the content alone. Of a file that is gone the record holds:
what was made of it is kept, and goes on from the converted cube.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from catalogs.durable import hash_bytes, hash_file
from catalogs.owners import Process
from survey.cubes.files.cube_file import CubeFile
from survey.errors import IntegrityError

TICK_NS, COARSE_TICK_NS = 100_000_000, 2_000_000_000
"""More than the steps of modification times: of most file systems, and of those that keep seconds.
A file changed within this time before it was read may change again and keep its time."""


@dataclass(frozen=True)
class InputFile:
    """A file whose content was hashed.

    Attributes
    ----------
    path : str
    size : int
        Bytes.
    mtime_ns : int
        Time of its last modification.
    inode, device : int
    machine : str
        Where it was hashed: other machines, and this one after a restart, may number devices
        differently.
    blake2b : str
        Hash of its content.
    settled : bool
        Whether a later change of the content would show in the rest.
    is_local : bool
        Whether it is a file on a disk. Of others the hash is what a server, or an archive, says,
        and it is asked for again.
    """

    path: str
    size: int
    mtime_ns: int
    inode: int
    device: int
    machine: str
    blake2b: str
    settled: bool = True
    is_local: bool = True

    @classmethod
    def read(cls, file: CubeFile) -> InputFile:
        """Hash a file.

        Raises
        ------
        OSError
            If it cannot be read.
        IntegrityError
            If it changes meanwhile.
        """
        path = file.local
        if path is None:
            blake2b, here = file.content_hash(), _machine()
            return cls(str(file), 0, 0, 0, 0, here, blake2b, settled=False, is_local=False)
        now = time.time_ns()
        before = path.stat()
        blake2b = hash_file(path)
        made = cls(
            path=str(path),
            blake2b=blake2b,
            settled=before.st_mtime_ns + _tick_ns(before.st_mtime_ns) < now,
            **_look(before),
        )
        made.refuse_change()
        return made

    def as_it_is_now(self) -> InputFile:
        """The file with its present size, time and inode, and the hash that it had."""
        if not self.is_local:
            return replace(self, settled=True)
        return replace(self, settled=True, **_look(Path(self.path).stat()))

    def change(self) -> str | None:
        """What is not as it was when the file was hashed; None if nothing shows that."""
        if not self.is_local:
            return None
        try:
            found = Path(self.path).stat()
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        if found.st_size != self.size:
            return f"has {found.st_size} bytes instead of {self.size}"
        if found.st_mtime_ns != self.mtime_ns:
            return "has another modification time"
        if found.st_ino != self.inode:
            return "is another file of this name (inode)"
        if self.machine == _machine() and found.st_dev != self.device:
            return "is on another device"
        return None

    @property
    def is_gone(self) -> bool:
        """Whether there is no file of this name any more."""
        return self.is_local and not os.path.lexists(self.path)

    def refuse_change(self) -> None:
        """Raise an error if the file has changed since it was hashed.

        Raises
        ------
        IntegrityError
        """
        if (change := self.change()) is not None:
            raise IntegrityError(
                f"the file changes while it is read: it {change}",
                file=self.path,
                advice="Run the survey again when it is complete",
            )


def _look(found: os.stat_result) -> dict[str, Any]:
    """What is recorded of a file besides its content."""
    return {
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "inode": found.st_ino,
        "device": found.st_dev,
        "machine": _machine(),
    }


@cache
def _machine() -> str:
    # Without the cache every look at a file would read the process table.
    return Process.current().machine


def _tick_ns(mtime_ns: int) -> int:
    return TICK_NS if mtime_ns % 1_000_000_000 else COARSE_TICK_NS


def read_inputs(
    files: Iterable[CubeFile],
    known: Iterable[InputFile] = (),
    *,
    check: Callable[[CubeFile], object] = lambda file: None,
) -> tuple[InputFile, ...]:
    """The hashes of files; those that are `known` and unchanged, or gone, are not read.

    `check` is called for each of the others before one is read.

    Raises
    ------
    OSError, IntegrityError
        See `InputFile.read`.
    """
    by_path = {one.path: _still_known(one) for one in known}
    wanted = list(files)
    for file in wanted:
        if by_path.get(str(file)) is None:
            check(file)
    return tuple(by_path.get(str(file)) or InputFile.read(file) for file in wanted)


def _still_known(one: InputFile | None) -> InputFile | None:
    if one is None or not one.settled:
        return None
    return one if one.change() is None or one.is_gone else None


def notes_of_gone(inputs: Iterable[InputFile]) -> list[str]:
    """A line for every file that is not there any more, for who looks at its results."""
    return [
        f"{one.path}: the file is gone; results are those of the file that was there"
        for one in inputs
        if one.is_gone
    ]


def unchanged(
    files: Iterable[CubeFile], known: Iterable[InputFile]
) -> tuple[InputFile, ...] | None:
    """The records of files that are all known, and unchanged or gone; None if some are not."""
    by_path = {one.path: one for one in known}
    found = tuple(_still_known(by_path.get(str(file))) for file in files)
    return None if None in found else tuple(one for one in found if one is not None)


def content_hash(inputs: Iterable[InputFile]) -> str:
    """The hash of the content of all files of a galaxy together."""
    return hash_bytes("".join(one.blake2b for one in inputs).encode())
