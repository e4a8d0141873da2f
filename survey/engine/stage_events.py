"""What workers are at: every task says which stage it starts, and the driver hears it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

TOPIC = "survey-stages"
"""Of Dask's events, which are also on its dashboard."""

_at: ContextVar[str] = ContextVar("stage and galaxy of this task", default="")


def say_stage(galaxy: str, stage: str) -> None:
    """Say that a stage of a galaxy starts here; outside a cluster nobody hears it."""
    from distributed import get_worker  # slow to load, and a worker has it already

    _at.set(f"{stage} {galaxy}")
    try:
        worker = get_worker()
    except ValueError:
        return
    worker.log_event(TOPIC, {"galaxy": galaxy, "stage": stage, "worker": str(worker.name)})


def say_seconds(stage_seconds: Mapping[str, float]) -> None:
    """Give Dask the seconds of the stages of this task, as activities of its span.

    Within a task they reach the worker, outside of one nobody.
    """
    from distributed.metrics import context_meter

    _at.set("")
    for stage, seconds in stage_seconds.items():
        context_meter.digest_metric(stage, seconds, "seconds")


def stage_here() -> str:
    """The stage and the galaxy that this task is at, "distances NGC 7469", or ""."""
    return _at.get()


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
