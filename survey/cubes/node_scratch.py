"""Scratch folders on a disk of the machine itself, such as `$TMPDIR` of a batch job."""

from __future__ import annotations

import os
import stat
import tempfile
from functools import cache
from pathlib import Path

from catalogs.owners import Process, owned_name, remove_abandoned
from survey.errors import ConfigError


def expanded_scratch(setting: str) -> Path:
    """The folder of `engine.scratch` on this machine: "~" and "$NAME" are those of this process.

    Raises
    ------
    ConfigError
        If a variable is not set here, or the folder is not absolute.
    """
    path = Path(os.path.expandvars(setting)).expanduser()
    if "$" in str(path) or not path.is_absolute():
        raise ConfigError(
            f"engine.scratch = {setting!r} is no folder here",
            expected="an absolute path, in which variables are set where the workers run",
            found=str(path),
        )
    return path


def node_scratch(setting: str, name: str) -> Path:
    """A new folder for the scratch files of one galaxy, which no other user may enter.

    What killed processes of this machine have left there is removed first, once per process.

    Raises
    ------
    ConfigError
        See `expanded_scratch`.
    """
    parent = private_folder(expanded_scratch(setting), "survey-scratch")
    _sweep(parent, Process.current())
    folder = parent / f"{name}.{owned_name()}"
    folder.mkdir()
    _made.add(folder)
    return folder


_made: set[Path] = set()


def is_on_node(folder: Path) -> bool:
    """Whether a folder is one of those that this process made on a disk of its machine."""
    return not _made.isdisjoint((folder, *folder.parents))


def private_folder(where: Path, name: str) -> Path:
    """The folder NAME-UID below `where`, which no other user may enter.

    It is the same for all processes of this user. If another user has made it first, a new one is
    made for this process.
    """
    where.mkdir(parents=True, exist_ok=True)
    folder = where / f"{name}-{os.geteuid()}"
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=where))
        folder.chmod(0o700)
    return folder


@cache
def _sweep(parent: Path, process: Process) -> None:
    remove_abandoned([path for path in parent.iterdir() if path.is_dir()], parent)
