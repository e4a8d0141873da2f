"""A lock on the run directory: one process works in it, others can see that it does."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from survey.errors import ConfigError

LOCK = ".lock"
PATIENCE_S = 0.5
"""Longer than `survey status` holds the lock while it checks."""


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the lock of a run directory. The system releases it however the process ends.

    Raises
    ------
    ConfigError
        If another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / LOCK, timeout=PATIENCE_S)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(
            "another survey is running in this directory",
            file=root,
            advice="Wait for it (`survey status RUN`), or choose another run directory (--out).",
        ) from None
    try:
        yield
    finally:
        lock.release()


def is_at_work(root: Path) -> bool | None:
    """Whether a process works in a run directory; None if the file system has no locks."""
    try:
        with (root / LOCK).open("rb") as file:
            # The lock is released when the file is closed.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
