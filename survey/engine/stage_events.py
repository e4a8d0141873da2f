"""What workers are at: every task says which stage it starts, and the driver hears it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Client, get_worker

TOPIC = "survey-stages"
"""Of Dask's events, which are also on its dashboard."""


def say_stage(galaxy: str, stage: str) -> None:
    """Say that a stage of a galaxy starts here; outside a cluster nobody hears it."""
    try:
        worker = get_worker()
    except ValueError:
        return
    worker.log_event(TOPIC, {"galaxy": galaxy, "stage": stage, "worker": str(worker.name)})


@contextmanager
def stages_heard(client: Client, hear: Callable[[str, str], None]) -> Iterator[None]:
    """Call ``hear(galaxy, stage)`` for every stage that starts while the block runs."""

    def on_event(event: tuple[float, Any]) -> None:
        said = event[1]
        if isinstance(said, dict) and "galaxy" in said:
            hear(said["galaxy"], said["stage"])

    client.subscribe_topic(TOPIC, on_event)
    try:
        yield
    finally:
        if client.status == "running":
            client.unsubscribe_topic(TOPIC)
