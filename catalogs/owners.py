"""Which process a file or folder belongs to, told from its name, and whether that still runs.

Unfinished work has the tag of its process in its name. On the same machine the number of a process
and the time of its start tell exactly whether it runs; numbers alone are used again. Nothing is
known here about processes of other machines: their work is taken for abandoned when it has not
changed for long, by the clock of the file system.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ABANDONED_S = 6 * 3600.0
"""Work of an unknown process that has not changed for so long is abandoned.

Writing a file takes minutes. The rest is for clocks: machines of one cluster write times of their
own on some file systems, and may differ by an hour.
"""

_PROC = Path("/proc")
_TAG = re.compile(
    r"(?:^|\.)(?P<host>[\w%+-]+)~(?P<machine>[0-9a-f]{8})~(?P<pid>\d+)~(?P<start>\d*)(?=[~.]|$)"
)
_LONGEST_HOST = 40
_ENDED = ("Z", "X")

_left: set[Path] = set()
"""What `remove` could not remove yet."""


@dataclass(frozen=True)
class Process:
    """A process on some machine.

    Attributes
    ----------
    host : str
        Name of the machine.
    machine : str
        Hash of what tells apart machines, and containers, that have one name: which boot of the
        system, and which numbering of processes.
    pid : int
    start : str
        When the process started, in ticks since the boot; setting the clock does not change it.
        Empty where the system does not say.
    """

    host: str
    machine: str
    pid: int
    start: str

    @classmethod
    def current(cls) -> Process:
        """This process."""
        pid = os.getpid()
        return cls(*_here(), pid, _start_and_state(pid)[0])

    @classmethod
    def of_name(cls, name: str) -> Process | None:
        """The process whose tag is in the name of a file or folder, or None."""
        found = _TAG.search(name)
        if found is None:
            return None
        return cls(found["host"], found["machine"], int(found["pid"]), found["start"])

    @property
    def tag(self) -> str:
        """Its place in the name of a file."""
        return f"{self.host}~{self.machine}~{self.pid}~{self.start}"

    def runs(self) -> bool | None:
        """Whether it runs; None if it is of another machine, or one that was started again."""
        if (self.host, self.machine) != _here():
            return None
        start, state = _start_and_state(self.pid)
        if state:
            return state not in _ENDED and self.start in ("", start)
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # It runs, belongs to another user, and the system hides it.
        return True


def owned_name() -> str:
    """A name that occurs once, with the tag of this process."""
    return f"{Process.current().tag}~{uuid.uuid4().hex[:12]}"


def remove_abandoned(paths: Iterable[Path], root: Path) -> list[Path]:
    """Remove files and folders of processes that do not run any more.

    Parameters
    ----------
    paths : iterable of Path
        With the tags of their processes in their names. One without a tag is of an unknown process.
    root : Path
        A folder of the same file system, to ask for its time.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = [path for path in paths if _is_abandoned(path, root)]
    for path in removed:
        remove(path)
    return removed


def remove(path: Path) -> None:
    """Remove a file or a folder, which somebody else may be removing too.

    What is left of a folder, for example because this process may not open more files, is removed
    by the next call. No other process would dare to while this one runs.
    """
    for one in (path, *_left - {path}):
        if one.is_dir():
            shutil.rmtree(one, ignore_errors=True)
        else:
            one.unlink(missing_ok=True)
        (_left.add if one.exists() else _left.discard)(one)


def _is_abandoned(path: Path, root: Path) -> bool:
    process = Process.of_name(path.name)
    runs = process.runs() if process else None
    if runs is None:
        return _time_of_file_system(root) - _last_change(path) > ABANDONED_S
    return not runs


def _time_of_file_system(root: Path) -> float:
    """The time that a file gets which is written now."""
    probe = root / f".{owned_name()}.unfinished"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _last_change(path: Path) -> float:
    changes = [0.0]
    for one in (path, *path.rglob("*")):
        with suppress(OSError):  # It may be removed meanwhile.
            changes.append(one.stat().st_mtime)
    return max(changes)


@cache
def _here() -> tuple[str, str]:
    host = re.sub(r"[^\w%+-]", "_", socket.gethostname())[:_LONGEST_HOST] or "unknown"
    facts = host
    with suppress(OSError):
        facts += (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    with suppress(OSError):
        facts += str((_PROC / "self/ns/pid").readlink())
    return host, hashlib.blake2b(facts.encode(), digest_size=4).hexdigest()


def _start_and_state(pid: int) -> tuple[str, str]:
    """Start of a process in ticks since the boot, and its state; empty where it is not known."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # The name before it may hold anything.
    return fields[19], fields[0]
