"""The small file with what a run is doing now; for `survey status` and the dashboard.

Also a process on another machine can read it there, if it sees the run directory.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIVE = Path("logs") / "live.json"
STALE_S = 60.0
"""An older file says nothing about now: the driver was killed, or its disk is full."""


@dataclass(frozen=True)
class InFlight:
    """A galaxy under way: its stage, where it is, and for how many seconds.

    `stage_seconds` is how long it has been at this stage.
    """

    galaxy: str
    stage: str
    worker: str
    seconds: float
    stage_seconds: float = 0.0


@dataclass(frozen=True)
class WorkerState:
    """A worker: what it is called, how busy it is, and its galaxies."""

    name: str
    address: str
    cpu_percent: float
    memory_bytes: int
    galaxies: tuple[str, ...] = ()


@dataclass(frozen=True)
class LiveState:
    """What a run is doing; empty where nothing is known of now."""

    in_flight: tuple[InFlight, ...] = ()
    workers: tuple[WorkerState, ...] = ()


def read_live(root: Path) -> LiveState:
    """What the run in `root` was doing a moment ago; empty if nothing is known."""
    try:
        content: dict[str, Any] = json.loads((root / LIVE).read_text(encoding="utf-8"))
        if time.time() - content["time"] > STALE_S:
            return LiveState()
        return LiveState(
            tuple(InFlight(**each) for each in content["in_flight"]),
            tuple(
                WorkerState(**each | {"galaxies": tuple(each["galaxies"])})
                for each in content["workers"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return LiveState()
