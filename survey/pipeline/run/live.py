"""Keeps the file with what a run is doing now: from the scheduler, and from what workers say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from catalogs.durable import hash_bytes, write_text
from catalogs.printable import printable
from survey.engine.cluster import Cluster, started
from survey.engine.monitor import Snapshot, snapshot_of
from survey.engine.observe.metrics import publish_metrics
from survey.engine.periodic import every
from survey.engine.stage_events import stages_heard
from survey.pipeline.run.live_file import LIVE, InFlight, LiveState, WorkerState
from survey.pipeline.run.records.totals import Totals

WRITE_S = 2.0


@dataclass
class _Stages:
    """The latest stage of every galaxy under way."""

    latest: dict[str, tuple[str, float]] = field(default_factory=dict)

    def hear(self, galaxy: str, stage: str) -> None:
        self.latest[galaxy] = stage, time.monotonic()

    def forget(self, galaxy: str) -> None:
        self.latest.pop(galaxy, None)


@contextmanager
def live_state(root: Path, cluster: Cluster, totals: Totals) -> Iterator[Callable[[str], None]]:
    """Keep the file up to date while the block runs; gives a function to call when a galaxy ends.

    The totals go to the metrics of the scheduler. Both are a courtesy: errors are logged and stop
    nothing.
    """
    client, stages = started(cluster), _Stages()
    # Metrics are open to everybody on the machine: the name of the folder alone is told.
    run = f"{printable(root.name)}-{hash_bytes(str(root).encode())[:6]}"

    def write() -> None:
        state = _state(snapshot_of(client), dict(stages.latest))
        write_text(root / LIVE, json.dumps({"time": time.time(), **asdict(state)}))
        publish_metrics(client, run, totals.metrics(state.in_flight))

    with (
        stages_heard(client, stages.hear),
        every(WRITE_S, write, "telling the live page how the run stands"),
    ):
        try:
            yield stages.forget
        finally:
            with suppress(Exception):
                if client.status == "running":
                    publish_metrics(client, run, totals.metrics())
            with suppress(OSError):
                (root / LIVE).unlink(missing_ok=True)


def _state(snapshot: Snapshot, stages: dict[str, tuple[str, float]]) -> LiveState:
    now = time.monotonic()
    return LiveState(
        tuple(
            InFlight(galaxy, stage, worker.name, round(seconds, 1), round(now - since, 1))
            for worker in snapshot.workers
            for galaxy, seconds in worker.executing.items()
            for stage, since in [stages.get(galaxy, ("", now))]
            if stage
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
