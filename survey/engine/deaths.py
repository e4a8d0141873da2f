"""Which workers died, when, and whether they were over their memory by their own measure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress as ignoring
from dataclasses import dataclass
from typing import Any

from distributed import Client

from survey.engine.monitor import STALLED

ALL = "all"
OVER_MEMORY = "worker-restart-memory"
"""Topics of Dask's events: what happens to workers, and nannies that end one for its memory."""


@dataclass(frozen=True)
class Death:
    """A worker that ended unexpectedly, and when (seconds, monotonic)."""

    address: str
    time: float


class DeathWatch:
    """Listens to the scheduler for workers that end unexpectedly."""

    def __init__(self) -> None:
        self.deaths: list[Death] = []
        self._stalled: list[Death] = []
        self._over_memory: list[tuple[Death, int]] = []

    @classmethod
    @contextmanager
    def of(cls, client: Client) -> Iterator[DeathWatch]:
        """Listen while the block runs."""
        watch = cls()
        client.subscribe_topic(ALL, watch._hear)
        client.subscribe_topic(OVER_MEMORY, watch._hear_memory)
        client.subscribe_topic(STALLED, watch._hear_stalled)
        try:
            yield watch
        finally:
            with ignoring(Exception):  # the cluster may be gone
                client.unsubscribe_topic(ALL)
                client.unsubscribe_topic(OVER_MEMORY)
                client.unsubscribe_topic(STALLED)

    def since(self, since: float) -> int:
        """How many workers died since a time."""
        return sum(death.time >= since for death in self.deaths)

    def others(self, address: str, since: float) -> int:
        """How many other workers died since a time."""
        return sum(d.address != address and d.time >= since for d in self.deaths)

    def over_memory_bytes(self, since: float, address: str | None = None) -> int | None:
        """What a worker had when its nanny ended it for that; None if none did since a time."""
        return next(
            (
                bytes_
                for death, bytes_ in self._over_memory
                if death.time >= since and address in (None, death.address)
            ),
            None,
        )

    def was_stalled(self, since: float, address: str) -> bool:
        """Whether a worker was restarted since a time because it made no progress."""
        return any(d.address == address and d.time >= since for d in self._stalled)

    def _hear_stalled(self, event: tuple[float, Any]) -> None:
        self._stalled.append(Death(str(event[1]["worker"]), time.monotonic()))

    def _hear(self, event: tuple[float, Any]) -> None:
        message = event[1]
        if not isinstance(message, dict) or message.get("action") != "remove-worker":
            return
        if not message.get("expected"):
            self.deaths.append(Death(str(message.get("worker")), time.monotonic()))

    def _hear_memory(self, event: tuple[float, Any]) -> None:
        message = event[1]
        death = Death(str(message["worker"]), time.monotonic())
        self._over_memory.append((death, int(message["rss"])))
