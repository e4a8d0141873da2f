"""What all kinds of clusters share: common settings, and how a cluster is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from dask.utils import parse_bytes, parse_timedelta
from distributed import Client
from pydantic import AfterValidator, Field, ValidationInfo

from survey.config.base import SettingsTable

LOOPBACK = "127.0.0.1"

SMALL_HISTORY: dict[str, Any] = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.low-level-log-length": 100,
}
"""Shorter histories than Dask keeps by default. They must be set before the processes start.

Measured on 1,000 galaxies: a worker keeps a profile of every second for an hour, which is 14 MB
per 100 small galaxies; scheduler and workers keep their last 1,000 messages, tasks included.
"""

ALLOWED_FAILURES = "distributed.scheduler.allowed-failures"
WORKER_SATURATION = "distributed.scheduler.worker-saturation"

PRE_SPAWN = "distributed.nanny.pre-spawn-environ"
TRIM_THRESHOLD = "MALLOC_TRIM_THRESHOLD_"

ALLOCATION: dict[str, Any] = {TRIM_THRESHOLD: None, "MALLOC_ARENA_MAX": 1}
"""Environment variables for the GNU C library in workers; None leaves one of Dask's out.

With any threshold in its environment, the library no longer adapts to the sizes of the arrays: it
returns every large one to the system and gets it back page by page. The stages of a galaxy of 2,600
spaxels then take 1.6 times as long (see `make bench`). One arena for all threads costs no
time that can be measured, and keeps the peak memory a fifth lower than one for every thread.
"""

ALLOCATION_VARIABLE = (
    f"DASK_{PRE_SPAWN.replace('.', '__').replace('-', '_').upper()}",
    str(ALLOCATION),
)
"""The same as a variable for the environment of `dask worker`: its name and value."""

SCHEDULING: dict[str, Any] = {
    **SMALL_HISTORY,
    **{f"{PRE_SPAWN}.{name}": value for name, value in ALLOCATION.items()},
    # When a worker dies, its tasks come back to the driver at once, which finds out whether one
    # of them is the cause (see `suspects`).
    ALLOWED_FAILURES: 0,
    # A galaxy takes seconds: a worker gains nothing from being sent the next one before it is
    # free, and that one would have to be tried alone too.
    WORKER_SATURATION: 1.0,
    # A worker that was killed may take long to be back on a busy machine.
    "distributed.deploy.lost-worker-timeout": "120s",
    # How often event loops look whether they are late; they warn after seconds. At Dask's 20 ms an
    # idle scheduler and a worker take 5% of a core, now 2%.
    "distributed.admin.tick.interval": "500ms",
    # Results are small. A worker that spills to a full disk would hang for ever.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
}
"""Dask's configuration for clusters that we start."""

PRELOAD = "survey.engine.worker_preload"
"""The module that every worker that we start runs before it joins."""

LEAST_MEMORY = 256 << 20
"""Bytes that a worker needs before it computes anything; with less it is ended again and again."""

Warn = Callable[[str], None]
"""Shows the user a message that does not stop the run."""


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    return (info.context or {}).get("folder", Path()) / path.expanduser()


def _is_a_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    return path


def _is_memory(text: str) -> str:
    if text == "auto":
        return text
    try:
        size_bytes = parse_bytes(text)
    except ValueError:
        raise ValueError(f'{text!r} is not a memory size like "4GiB"') from None
    # Dask reads 0 as no limit, and a fraction as this share of the machine.
    if size_bytes < 0 or 0 < size_bytes < LEAST_MEMORY:
        raise ValueError(f"{text!r} is less than a worker itself takes: {LEAST_MEMORY >> 20}MiB")
    return text


def _is_duration(text: str) -> str:
    try:
        parse_timedelta(text)
    except (ValueError, KeyError):
        raise ValueError(f'{text!r} is not a duration like "55m"') from None
    return text


NearPath = Annotated[Path, AfterValidator(_beside_the_file)]
"""A path that is relative to the folder of the cluster file."""

NearFile = Annotated[NearPath, AfterValidator(_is_a_file)]
"""Such a path, of a file that exists."""

MemoryLimit = Annotated[str, AfterValidator(_is_memory)]
"""The memory of one worker: "4GiB", or "auto" for its share of its machine."""

Duration = Annotated[str, AfterValidator(_is_duration)]
"""A time as Dask writes it: "90s", "55m", "3h"."""


class WatchSettings(SettingsTable):
    """When the driver warns that a run is stalled, and what it does then.

    A worker is stalled when the same galaxies have been on it for stalled_s while its
    processor idles; a run is stalled when nothing has ended for that long. action = "restart" also
    restarts such a worker, which counts as its death (see `survey.engine.suspects`).
    """

    every_s: float = Field(default=30.0, gt=0)
    stalled_s: float = Field(default=1800.0, gt=0)
    silent_s: float = Field(default=60.0, gt=0)
    action: Literal["warn", "restart"] = "warn"


class ClusterSettings(SettingsTable, ABC):
    """Settings of every kind of cluster.

    http = "network" opens Dask's pages and metrics, which have no password, to other machines.
    `metrics_targets` is a file that is written for Prometheus, with the addresses to scrape.
    """

    EXAMPLE: ClassVar[str]

    dashboard: bool = True
    http: Literal["loopback", "network"] = "loopback"
    metrics_targets: NearPath | None = None
    watch: WatchSettings = WatchSettings()

    @abstractmethod
    def open(self, warn: Warn) -> AbstractContextManager[Client]:
        """A client of the cluster, which is started if it does not run yet.

        Raises
        ------
        ConfigError
            If it cannot be started or reached.
        """

    @abstractmethod
    def without_tls(self) -> Self:
        """The same cluster, where nothing is encrypted that does not have [tls] files."""

    @property
    def expected_slots(self) -> int:
        """How many tasks it should run at once; 0 if somebody else starts the workers."""
        return 0

    @property
    def http_host(self) -> str:
        """Where pages and metrics are served."""
        return LOOPBACK if self.http == "loopback" else ""


class WorkerSettings(ClusterSettings):
    """Settings of a cluster whose workers we start; each value is for one worker.

    `scratch` is the folder to which a worker spills, on a disk of its own machine. Every worker
    has the Dask resource "memory", its limit in bytes, besides those in `resources`.
    """

    workers: int = Field(default=2, ge=1)
    threads: int = Field(default=1, ge=1)
    memory_limit: MemoryLimit = "auto"
    scratch: str | None = None
    resources: dict[str, float] = Field(default_factory=dict)


class LargeWorkers(SettingsTable):
    """Workers with more memory, for galaxies that fit no other worker."""

    workers: int = Field(default=1, ge=1)
    memory_limit: MemoryLimit
