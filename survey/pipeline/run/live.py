"""Keeps the file with what a run is doing now: from the scheduler, and from what workers say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from catalogs.durable import write_text
from survey.engine.cluster import Cluster, started
from survey.engine.monitor import Snapshot, snapshot_of
from survey.engine.periodic import every
from survey.engine.stage_events import stages_heard
from survey.pipeline.run.live_file import LIVE, InFlight, LiveState, WorkerState

WRITE_S = 2.0


@dataclass
class _Stages:
    """The latest stage of every galaxy under way."""

    latest: dict[str, str] = field(default_factory=dict)

    def hear(self, galaxy: str, stage: str) -> None:
        self.latest[galaxy] = stage

    def forget(self, galaxy: str) -> None:
        self.latest.pop(galaxy, None)


@contextmanager
def live_state(root: Path, cluster: Cluster) -> Iterator[Callable[[str], None]]:
    """Keep the file up to date while the block runs; gives a function to call when a galaxy ends.

    Writing it is a courtesy: errors are logged and stop nothing.
    """
    client, stages = started(cluster), _Stages()

    def write() -> None:
        state = _state(snapshot_of(client), stages.latest)
        write_text(root / LIVE, json.dumps({"time": time.time(), **asdict(state)}))

    with stages_heard(client, stages.hear), every(WRITE_S, write):
        try:
            yield stages.forget
        finally:
            with suppress(OSError):
                (root / LIVE).unlink(missing_ok=True)


def _state(snapshot: Snapshot, stages: dict[str, str]) -> LiveState:
    return LiveState(
        tuple(
            InFlight(galaxy, stages.get(galaxy, ""), worker.name, round(seconds, 1))
            for worker in snapshot.workers
            for galaxy, seconds in worker.executing.items()
            if galaxy in stages
        ),
        tuple(
            WorkerState(
                worker.name,
                worker.address,
                round(worker.cpu_percent, 1),
                int(worker.memory_bytes),
                tuple(worker.executing),
            )
            for worker in snapshot.workers
        ),
    )
