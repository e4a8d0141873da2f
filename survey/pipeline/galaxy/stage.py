"""What a stage of a galaxy is, and what it knows of the galaxy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from catalogs.parts import safe_name
from catalogs.reference import Reference
from survey.config import Settings, fingerprint
from survey.cubes.scratch import Scratch
from survey.pipeline.galaxy.target import Target


class Kept(Enum):
    """Where the result of a stage is kept, so that it is not made again."""

    STORE = "a Zarr store in RUN/cubes"
    PART = "a committed part in RUN/parts"
    MEMORY = "the memory of the worker, until the galaxy is done"
    NOWHERE = "handed over to the stage that asked for it"


@dataclass(frozen=True)
class GalaxyJob:
    """What every stage knows of its galaxy.

    Attributes
    ----------
    target : Target
    settings : Settings
    root : Path
        The run directory.
    content_hash : str
        Hash of the content of the input files.
    reference : Reference
        Lines, bands, instruments and windows of the run.
    memory_bytes : float, optional
        What this process may use; decides what is kept on disk, and how the tree is made.
    scratch : Scratch
        Room on disk while the galaxy is being computed.
    keys : dict of str
        The key of every stage.
    seconds : dict of float
        Time of every stage up to now; of what was made on another day, its time then.
    """

    target: Target
    settings: Settings
    root: Path
    content_hash: str
    reference: Reference
    memory_bytes: float | None
    scratch: Scratch
    keys: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def store_path(self, stage: str) -> Path:
        """Where the store of a stage is, or will be."""
        return self.root / "cubes" / f"{safe_name(self.target.galaxy)}-{self.keys[stage]}.zarr"


@dataclass(frozen=True)
class Part:
    """What a stage commits: a function that writes its files, and facts for the receipt.

    `notes` are what a user should know of it.
    """

    write: Callable[[Path], None]
    summary: dict[str, Any]
    notes: tuple[str, ...] = ()


def _nothing(job: GalaxyJob) -> Any:
    return None


@dataclass(frozen=True)
class Stage:
    """One box of the data path of a galaxy.

    Attributes
    ----------
    name : str
        Its time is the column ``seconds_<name>``, and the table `quarantine` says it.
    make : callable
        ``make(job, *results of inputs)``. Returns the result, or a `Part` to be committed; a
        store it writes itself, and returns nothing.
    inputs : tuple of str
        Stages whose results it takes, earlier in the list. Of one that is kept as a part that is
        the receipt, of one that is kept in a store the opened store.
    kept : Kept
    settings : tuple of str
        Tables of the settings on which it depends, besides those of its inputs.
    depends_on : callable
        What else it depends on, in JSON-able values.
    code : int
        Raised when its code changes its results: what it made before is then made again.
    libraries : tuple of str
        Those whose versions may change its results.
    """

    name: str
    make: Callable[..., Any]
    inputs: tuple[str, ...]
    kept: Kept
    settings: tuple[str, ...] = ()
    depends_on: Callable[[GalaxyJob], Any] = _nothing
    code: int = 1
    libraries: tuple[str, ...] = ()

    def key(self, job: GalaxyJob) -> str:
        """The fingerprint of all that its result depends on."""
        return fingerprint(
            [job.keys[name] for name in self.inputs],
            self.depends_on(job),
            {name: getattr(job.settings, name).model_dump(mode="json") for name in self.settings},
            self.code,
            [_version(name) for name in self.libraries],
        )


@cache
def _version(library: str) -> str:
    # Looked up in files of the installation each time, by hundreds of lines of parsing.
    return version(library)
