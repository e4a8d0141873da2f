"""Small file systems that can be filled: tmpfs mounts of a stated size."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

FILLER = ".filler"


@contextmanager
def small_disk(path: Path, size_mb: int, n_files: int) -> Iterator[Path]:
    """Mount a tmpfs of so many megabytes and inodes at `path`, a folder that is made."""
    path.mkdir(parents=True)
    options = f"size={size_mb}m,nr_inodes={n_files},mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        # Lazily: a process that was just killed may still be in it.
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@cache
def why_no_small_disk() -> str:
    """Why no tmpfs can be mounted here; empty if one can."""
    if os.geteuid() != 0:
        return "only root can mount a tmpfs"
    with TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder) / "disk", 1, 10):
                return ""
        except (OSError, subprocess.CalledProcessError) as error:
            return f"no tmpfs can be mounted here ({error})"


def fill_bytes(disk: Path, leave: int = 0) -> None:
    """Take all free space of a disk but so many bytes."""
    piece = bytes(1 << 16)
    with (disk / FILLER).open("ab", buffering=0) as file:
        while free_bytes(disk) > leave:
            try:
                file.write(piece[: max(1, free_bytes(disk) - leave)])
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                break


def fill_inodes(disk: Path) -> None:
    """Take all free inodes of a disk."""
    folder = disk / f"{FILLER}s"
    try:
        folder.mkdir(exist_ok=True)
        for number in range(1 << 20):
            (folder / f"{number}-{os.urandom(4).hex()}").touch()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def free(disk: Path) -> None:
    """Give back what was taken."""
    (disk / FILLER).unlink(missing_ok=True)
    for path in (disk / f"{FILLER}s").glob("*"):
        path.unlink()
    if (disk / f"{FILLER}s").exists():
        (disk / f"{FILLER}s").rmdir()


def free_bytes(disk: Path) -> int:
    """Free space of a disk."""
    facts = os.statvfs(disk)
    return facts.f_bavail * facts.f_frsize
