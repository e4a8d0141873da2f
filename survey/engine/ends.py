"""How a run is held up or ended by something that is no task's fault."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from dask.typing import Key
from dask.utils import format_bytes

from survey.engine.attempt import Attempts, Place, Task
from survey.errors import RESUME, InfrastructureError, MachineError, ResourceError
from survey.machine_faults import FIRST_WAIT_S, LONGEST_WAIT_S


@dataclass
class Fault:
    """A disk or file system that fails, since when, and when to try again (seconds, monotonic)."""

    error: MachineError
    since: float
    next_try: float
    wait: float = FIRST_WAIT_S
    tries: int = 0

    def again(self, error: MachineError) -> None:
        """It still fails."""
        self.error = error
        self.next_try = time.monotonic() + self.wait
        self.wait = min(2 * self.wait, LONGEST_WAIT_S)


def no_memory(task: Task, largest_bytes: float) -> ResourceError:
    """No worker has the memory that a task needs."""
    return ResourceError(
        "no worker has the memory it needs",
        expected=f"a worker with {format_bytes(int(task.memory_bytes))}",
        found=f"{format_bytes(int(largest_bytes))} in the largest",
        advice="Start a worker with more memory and run the same command again.",
    )


def cluster_lost(n_running: int) -> InfrastructureError:
    """The scheduler is gone."""
    return InfrastructureError(
        "the Dask cluster was lost while tasks were running",
        found=f"{n_running} tasks that had not ended",
        advice=RESUME,
    )


def all_fail(held: list[Attempts], message: str) -> InfrastructureError:
    """No task succeeds, and several fail wherever they are asked for."""
    places = sorted({f"{p.worker or p.address} on {p.host}" for a in held for p in a.doubts})
    return InfrastructureError(
        f"every galaxy fails, and on every worker that was asked ({', '.join(places[:10])})",
        found=message or f"{len(held)} failures and nothing else",
        advice="Check that the workers see the files and have the software. " + RESUME,
    )


def erred_on(key: Key, dask_scheduler: Any) -> list[Place]:
    """Workers on which a task failed; runs on the scheduler."""
    task = dask_scheduler.tasks.get(key)
    workers = dask_scheduler.workers
    found = [workers[a] for a in (task.erred_on if task else ()) if a in workers]
    return [Place(worker.address, str(worker.name), worker.host) for worker in found]


def executing_keys(dask_scheduler: Any) -> list[Key]:
    """Keys of the tasks that have begun; runs on the scheduler."""
    workers = dask_scheduler.workers.values()
    return [task.key for worker in workers for task in worker.executing]
