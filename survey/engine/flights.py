"""The tasks that are with the scheduler: how they get there, come back, and are taken back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from dask.base import annotate
from dask.typing import Key
from distributed import Client, Future

from catalogs.printable import printable
from survey.engine.attempt import Attempts, call
from survey.engine.ends import cluster_lost, executing_keys
from survey.engine.preflight.admission import Admission
from survey.engine.worker_memory import MEMORY, WorkerMemory
from survey.engine.worker_records import WorkerRecords


@dataclass(frozen=True)
class Flight:
    """A submitted attempt, what it claims, and the workers it is confined to."""

    attempts: Attempts
    future: Future[Any]
    claim: dict[str, float] | None
    workers: list[str] | None
    started: float
    trial: bool

    @property
    def claim_bytes(self) -> float:
        """The memory it claims."""
        return self.claim[MEMORY] if self.claim else 0.0


class Flights:
    """The submitted attempts of one call of `run_tasks`.

    Parameters
    ----------
    client : Client
    function : callable
        Called on the argument of every task.
    memory : WorkerMemory
    workers : WorkerRecords
    admitted : Admission, optional
    annotations : dict, optional
        Of Dask, for all tasks.
    """

    def __init__(
        self,
        client: Client,
        function: Callable[[Any], Any],
        memory: WorkerMemory,
        workers: WorkerRecords,
        admitted: Admission | None,
        annotations: dict[str, Any] | None = None,
    ) -> None:
        self.client, self.function = client, function
        self.memory, self.workers, self.admitted = memory, workers, admitted
        self.annotations = annotations or {}
        self.under_way: dict[Key, Flight] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()

    def launch(self, attempts: Attempts, *, trial: bool) -> None:
        """Submit a task, to the workers that it may go to."""
        task, now = attempts.task, time.monotonic()
        claim = self.memory.claim(task.memory_bytes)
        workers = self.workers.choice(attempts, claim[MEMORY] if claim else 0.0)
        needs = self.admitted.needs if self.admitted else None
        attempts.number += 1
        key = (self.function.__name__, printable(task.name), uuid4().hex)  # shown on the dashboard
        with annotate(**self.annotations):
            future = self.client.submit(
                call, self.function, task.argument, needs,
                key=key, pure=False, resources=claim, workers=workers,
            )  # fmt: skip
        self.under_way[future.key] = Flight(attempts, future, claim, workers, now, trial)
        future.add_done_callback(self._ended.put)

    def next_ended(self, timeout_s: float) -> Flight | None:
        """The next attempt that has ended, or None if none does for a while.

        Raises
        ------
        InfrastructureError
            If the cluster is gone.
        """
        try:
            future = self._ended.get(timeout=timeout_s)
        except Empty:
            return None
        flight = self.under_way.pop(future.key, None)
        if flight is None:
            return None  # It has been taken back.
        if future.status == "cancelled":
            raise cluster_lost(len(self.under_way) + 1)
        return flight

    def take_back(self) -> list[Attempts]:
        """Take back what has not begun, in the order in which it was submitted."""
        executing = set(self.client.run_on_scheduler(executing_keys))
        return self._taken([key for key in self.under_way if key not in executing])

    def stranded(self) -> list[Attempts]:
        """Take back what waits for memory or workers that no longer exist."""
        largest, alive = self.memory.largest_bytes, set(self.workers.alive())
        return self._taken(
            [
                key
                for key, flight in self.under_way.items()
                if flight.claim_bytes > largest
                or (flight.workers is not None and alive and not set(flight.workers) & alive)
            ]
        )

    def _taken(self, keys: list[Key]) -> list[Attempts]:
        flights = [self.under_way.pop(key) for key in keys]
        self.client.cancel([flight.future for flight in flights])
        for flight in flights:
            flight.attempts.number -= 1
        return [flight.attempts for flight in flights]
