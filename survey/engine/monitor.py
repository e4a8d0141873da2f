"""Detects a stalled run: which galaxies, on which workers, since when.

Dask itself restarts a worker that no longer answers. It does not notice a worker that answers but
makes no progress, because its disk is full or its file system hangs. Such a worker shows two
signs: its galaxies stay the same, and its processor idles.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dask.utils import format_bytes
from distributed import Client
from distributed.comm.addressing import get_address_host

from catalogs.durable import write_text
from catalogs.printable import printable
from survey.engine.backends.base import ClusterSettings, Warn, WatchSettings
from survey.engine.periodic import every

IDLE_CPU_PERCENT = 10.0
"""A worker below this is idle: it only answers."""

STALLED = "survey-stalled"
"""Topic of the workers that are restarted for that."""

SHOWN = 10
CUT_OFF = 2
"""So many workers that left while they had a galaxy, and it is said."""


@dataclass(frozen=True)
class WorkerView:
    """A worker as the scheduler knows it; `executing` gives the seconds that each task has run."""

    address: str
    name: str
    http: str
    status: str
    silent_s: float
    cpu_percent: float
    memory_bytes: int
    executing: dict[str, float]

    def describe(self) -> str:
        """One line for people."""
        galaxies = ", ".join(f"{key} for {s / 60:.0f} min" for key, s in self.executing.items())
        return (
            f"{self.address} ({self.name}): {self.status}, {self.cpu_percent:.0f}% CPU, "
            f"{format_bytes(self.memory_bytes)}, last message {self.silent_s:.0f} s ago: "
            f"{galaxies or 'nothing'}"
        )


@dataclass(frozen=True)
class Snapshot:
    """All workers, and how many tasks wait for a worker."""

    http: str
    workers: tuple[WorkerView, ...]
    waiting: int

    @property
    def unfinished(self) -> frozenset[str]:
        """Names of running tasks, and how many tasks wait."""
        executing = {key for worker in self.workers for key in worker.executing}
        return frozenset(executing | ({f"{self.waiting} waiting"} if self.waiting else set()))


def look(dask_scheduler: Any) -> Snapshot:
    """The state of all workers and tasks; runs on the scheduler."""
    now = time.time()
    workers = tuple(
        WorkerView(
            address=worker.address,
            name=str(worker.name),
            http=f"{worker.host}:{worker.services.get('dashboard')}",
            status=worker.status.name,
            silent_s=now - worker.last_seen,
            cpu_percent=worker.metrics.get("cpu", 0.0),
            memory_bytes=worker.metrics.get("memory", 0),
            executing={task_name(task.key): s for task, s in worker.executing.items()},
        )
        for worker in dask_scheduler.workers.values()
    )
    states = ("waiting", "no-worker", "queued", "processing")
    unfinished = sum(task.state in states for task in dask_scheduler.tasks.values())
    under_way = sum(len(worker.executing) for worker in workers)
    host = get_address_host(dask_scheduler.address)
    http = f"{host}:{dask_scheduler.http_server.port}"
    return Snapshot(http, workers, max(0, unfinished - under_way))


def snapshot_of(client: Client) -> Snapshot:
    """The state of all workers and tasks of a cluster."""
    found: Snapshot = client.run_on_scheduler(look)
    return found


def task_name(key: Any) -> str:
    """The name of a task in messages: that of the galaxy, if the key is ours (see `submit`)."""
    return printable(key[1] if isinstance(key, tuple) and len(key) > 1 else key)


@dataclass(frozen=True)
class Finding:
    """A message for the user, and the address of the stalled worker, if there is one."""

    message: str
    stalled_worker: str | None = None


class Watchdog:
    """Compares snapshots and finds workers and runs that are stalled.

    A finding is repeated after another `stalled_s`, not with every snapshot.
    """

    def __init__(self, settings: WatchSettings) -> None:
        self.settings = settings
        self._states: dict[str, tuple[frozenset[str], float]] = {}
        self._begun: dict[str, tuple[str, float]] = {}
        self._cut_off: dict[str, list[float]] = {}
        self._reported: dict[str, float] = {}

    def findings(self, snapshot: Snapshot, now: float) -> list[Finding]:
        """What to report about the snapshot taken at time `now` (seconds, monotonic)."""
        found = [Finding(text) for text in self._cut_short(snapshot)]
        for worker in snapshot.workers:
            silent = worker.silent_s > self.settings.silent_s
            if silent and self._is_due(f"silence of {worker.address}", now):
                found.append(Finding(f"a worker is silent: {worker.describe()}"))
            idle = worker.cpu_percent < IDLE_CPU_PERCENT
            state = frozenset(worker.executing) if idle else frozenset()
            if self._is_stalled(worker.address, state, now):
                text = f"a worker is stalled: {worker.describe()}"
                found.append(Finding(text, stalled_worker=worker.address))
        if self._is_stalled("all", snapshot.unfinished, now):
            found.append(Finding(_describe_all(snapshot, self.settings.stalled_s)))
        return found

    def _cut_short(self, snapshot: Snapshot) -> Iterator[str]:
        """One line for every galaxy that has been started again because its workers left.

        A worker whose time is over leaves in good order, and nobody counts an attempt: a galaxy
        that takes longer than workers live would be started for ever.
        """
        connected = {worker.address for worker in snapshot.workers}
        executing = {
            name: (worker.address, seconds)
            for worker in snapshot.workers
            for name, seconds in worker.executing.items()
        }
        for name, (address, _) in executing.items():
            before, seconds = self._begun.get(name, (address, 0.0))
            if before != address and before not in connected:
                times = self._cut_off.setdefault(name, [])
                times.append(seconds)
                if len(times) >= CUT_OFF:
                    minutes = ", ".join(f"{s / 60:.0f}" for s in times[-SHOWN:])
                    yield (
                        f"{name} has been started again {len(times)} times, because its worker "
                        f"left after it had run for {minutes} min: it takes longer than workers "
                        "live (--lifetime, walltime), or they are taken away"
                    )
        self._begun |= executing

    def _is_stalled(self, subject: str, state: frozenset[str], now: float) -> bool:
        """Whether a subject has been in one state for too long, and a report is due.

        The empty state means that nothing is wrong: there is nothing to do, or it is being done.
        """
        before, since = self._states.get(subject, (frozenset(), now))
        since = since if state and state == before else now
        self._states[subject] = (state, since)
        return now - since >= self.settings.stalled_s and self._is_due(subject, now)

    def _is_due(self, subject: str, now: float) -> bool:
        if now - self._reported.get(subject, -math.inf) < self.settings.stalled_s:
            return False
        self._reported[subject] = now
        return True


def _describe_all(snapshot: Snapshot, seconds: float) -> str:
    lines = [
        f"nothing has ended for {seconds / 60:.0f} min: {snapshot.waiting} tasks wait, "
        f"{len(snapshot.workers)} workers are connected"
    ]
    lines += [worker.describe() for worker in snapshot.workers[:SHOWN]]
    if len(snapshot.workers) > SHOWN:
        lines.append(f"... and {len(snapshot.workers) - SHOWN} more")
    return "\n  ".join(lines)


@contextmanager
def watched(client: Client, settings: ClusterSettings, warn: Warn) -> Iterator[None]:
    """Watch a cluster while the block runs."""
    watchdog = Watchdog(settings.watch)

    def look_again() -> None:
        snapshot = snapshot_of(client)
        if settings.metrics_targets is not None:
            write_metrics_targets(snapshot, settings.metrics_targets)
        for finding in watchdog.findings(snapshot, time.monotonic()):
            warn(finding.message)
            if finding.stalled_worker is not None and settings.watch.action == "restart":
                client.log_event(STALLED, {"worker": finding.stalled_worker})
                client.restart_workers([finding.stalled_worker], raise_for_error=False)

    if settings.metrics_targets is not None:
        write_metrics_targets(snapshot_of(client), settings.metrics_targets)
    with every(settings.watch.every_s, look_again, "looking for stalled workers"):
        yield


def write_metrics_targets(snapshot: Snapshot, path: Path) -> None:
    """Write where Prometheus finds the metrics of the scheduler and the workers (`file_sd`)."""
    groups = [
        {"targets": [snapshot.http], "labels": {"job": "dask-scheduler"}},
        {"targets": [w.http for w in snapshot.workers], "labels": {"job": "dask-worker"}},
    ]
    write_text(path, json.dumps(groups, indent=1))
