"""What every worker does when it joins: `dask worker --preload survey.engine.worker_preload`.

It declares its memory limit as the Dask resource "memory", in bytes. That has to happen before
the scheduler knows the worker: a task that waits for such a resource is not looked at again when
a worker that is there already declares it. Workers that come later, as a job that replaces
another, are looked at by a plugin: one with other software than the driver leaves again before
it has touched a galaxy.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
from distributed import Client, Worker, WorkerPlugin

from survey.engine.environment import Environment, differences, environment

MEMORY = "memory"
"""The Dask resource that workers declare."""

IGNORE_INTERRUPTS = "SPAXEL_SURVEY_IGNORE_INTERRUPTS"
"""Environment variable of workers that share a terminal with the driver.

The terminal sends Ctrl-C to all of them. The driver stops its workers once it has published.
"""

TOPIC = "survey-refused"


def dask_setup(worker: Any) -> None:
    """Declare what memory the worker has, unless its command line did."""
    if os.environ.get(IGNORE_INTERRUPTS):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    state = worker.state
    if MEMORY not in state.total_resources:
        state.total_resources[MEMORY] = state.available_resources[MEMORY] = memory_of(worker)


def memory_of(worker: Any) -> float:
    """The memory limit of a worker in bytes; without one, the memory of its machine."""
    return float(worker.memory_manager.memory_limit or psutil.virtual_memory().total)


class Joining(WorkerPlugin):
    """Runs on every worker, also on those that come later."""

    def __init__(self, expected: Environment) -> None:
        self.expected = expected

    async def setup(self, worker: Worker) -> None:
        """Leave again if the software differs; else declare the memory, if no preload did."""
        if fault := differences(self.expected, environment()):
            worker.log_event(TOPIC, f"worker {worker.contact_address} was refused: {fault}")
            worker.loop.add_callback(worker.close, reason="other software than the driver")
        elif MEMORY not in worker.state.total_resources:
            await worker.set_resources(**{MEMORY: memory_of(worker)})


@contextmanager
def checked_workers(client: Client, warn: Callable[[str], None]) -> Iterator[None]:
    """Look at every worker of a cluster, those that are there and those that come."""
    name = f"spaxel-survey-{client.id}"
    client.subscribe_topic(TOPIC, lambda event: warn(event[1]))
    client.register_plugin(Joining(environment()), name=name)
    try:
        yield
    finally:
        # The cluster may be another's, and may serve others when we have gone, or be gone itself.
        with suppress(Exception):
            client.unregister_worker_plugin(name)
