"""A folder to which workers spill, and which no other user of the machine can touch.

Dask's own is `/tmp/dask-scratch-space`, whoever made it first. Its owner can replace what a worker
has spilled, and what comes back from there is unpickled: that is running code.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import dask

from survey.cubes.node_scratch import private_folder
from survey.errors import ConfigError


def spill_folder(parent: str | Path | None = None) -> Path:
    """A folder of this user below `parent` (by default where temporary files are).

    Its name is the same for all runs, so that Dask finds and deletes there what killed workers
    have left behind.
    """
    where = parent or dask.config.get("temporary-directory", None) or tempfile.gettempdir()
    return private_folder(Path(where), "survey")


def refuse_foreign_folder(folder: Path) -> None:
    """Refuse to spill where another user could replace the files.

    Raises
    ------
    ConfigError
        If the folder belongs to neither this user nor root, or everybody may write to it.
    """
    found = folder.stat()
    everybody = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    if found.st_uid in {os.geteuid(), 0} and not everybody:
        return
    raise ConfigError(
        "workers would spill to a folder of other users, who could change what they read back",
        file=folder,
        expected=f"a folder that only user {os.geteuid()} can write to",
        found=f"owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):o}",
        advice="Set scratch in the cluster file, or --local-directory of `dask worker`, to a "
        "folder of your own.",
    )
