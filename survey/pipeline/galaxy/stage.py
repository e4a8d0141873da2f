"""The declaration of a stage, and the context of a galaxy that every stage gets."""

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
from survey.pipeline.reference import run_window_um


class Kept(Enum):
    """Where the result of a stage is kept, so that it is not made again."""

    STORE = "a Zarr store in RUN/cubes"
    PART = "a committed part in RUN/parts"
    WITH_LAST = "the part of the last stage, or one of its own if it is large or took long"
    MEMORY = "the memory of the worker, until the galaxy is done"
    NOWHERE = "nowhere: the next stage takes it"

    @property
    def is_part(self) -> bool:
        """Whether the result is found by `PartStore`."""
        return self in (Kept.PART, Kept.WITH_LAST)


@dataclass(frozen=True)
class GalaxyContext:
    """What every stage knows about its galaxy.

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
        What this process may use. It decides what is kept on disk and how the tree is made.
    scratch : Scratch
        Temporary files on disk while the galaxy is computed.
    keys : dict of str
        The key of every stage.
    seconds : dict of float
        Time of every stage so far; for a result found on disk, the time when it was made.
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

    @property
    def window_um(self) -> tuple[float, float] | None:
        """Rest-frame wavelengths that are compared; None for all that a cube has."""
        return run_window_um(self.reference, self.settings)

    @property
    def arms(self) -> list[str]:
        """Instruments whose bands are arms of one spectrograph."""
        return [name for name, one in self.reference.instruments.items() if one.arms]

    def store_path(self, stage: str) -> Path:
        """Where the store of a stage is, or will be."""
        return store_path(self.root, self.target.galaxy, self.keys[stage])


def store_path(root: Path, galaxy: str, key: str) -> Path:
    """Where the converted cube of a galaxy is in a run directory, by the key of its stage."""
    return root / "cubes" / f"{safe_name(galaxy)}-{key}.zarr"


@dataclass(frozen=True)
class Part:
    """What a stage commits: a function that writes its files, and facts for the receipt.

    `notes` are messages for the user. `packed` says whether it is kept as one file if it is small:
    not if it has files that people open themselves.
    """

    write: Callable[[Path], None]
    summary: dict[str, Any]
    notes: tuple[str, ...] = ()
    packed: bool = True


def _nothing(galaxy: GalaxyContext) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Stage:
    """One box of the data path of a galaxy.

    Attributes
    ----------
    name : str
        In the table `quarantine`, and for every stage but the last in the column
        ``seconds_<name>`` of its time.
    function : str
        Its function in `survey.pipeline.galaxy.stages`, called as
        ``function(galaxy, *results of inputs)``. Returns the result, or a `Part` to commit. A stage
        kept in a store writes the store itself and returns nothing.
    inputs : tuple of str
        Stages whose results it takes, earlier in the list. The result of a stage kept in a part is
        the receipt; the result of a stage kept in a store is the opened store.
    kept : Kept
    settings : tuple of str
        Tables of the settings that it depends on, besides those of its inputs.
    depends_on : callable
        What else it depends on, as JSON values by name.
    code : int
        Raised when its code changes its results, so that earlier results are computed again.
    libraries : tuple of str
        Those whose minor versions may change its results. A patch release mends faults.
    """

    name: str
    function: str
    inputs: tuple[str, ...]
    kept: Kept
    settings: tuple[str, ...] = ()
    depends_on: Callable[[GalaxyContext], dict[str, Any]] = _nothing
    code: int = 1
    libraries: tuple[str, ...] = ()

    def key(self, galaxy: GalaxyContext) -> str:
        """The fingerprint of everything that its result depends on."""
        return fingerprint([galaxy.keys[name] for name in self.inputs], self.made_from(galaxy))

    def made_from(self, galaxy: GalaxyContext) -> dict[str, dict[str, Any]]:
        """What its result depends on besides the results of its inputs, as JSON values.

        Keys are fingerprints of this, and receipts keep it, so that a change can be named.
        """
        return {
            "settings": {name: _dumped(getattr(galaxy.settings, name)) for name in self.settings},
            "depends_on": self.depends_on(galaxy),
            "code": {"version": self.code},
            "libraries": {name: minor_version(name) for name in self.libraries},
        }


def _dumped(table: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = table.model_dump(mode="json")
    return dumped


@cache
def minor_version(library: str) -> str:
    """The version of a library without its patch level, "2.4" for 2.4.1."""
    # Without the cache every look-up would parse files of the installation.
    return ".".join(version(library).split(".")[:2])
