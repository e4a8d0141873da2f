"""What every worker does when it joins: `dask worker --preload survey.engine.worker_preload`.

The worker declares its memory limit as the Dask resource "memory", in bytes. It does so before the
scheduler knows it: a task that waits for such a resource is not reconsidered when a worker that
has already joined declares it. A plugin checks workers that join later, for example those of a
job that replaces another. A worker with other software than the driver leaves before it starts a
galaxy.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from distributed import Client, Worker, WorkerPlugin
from distributed.comm.core import CommClosedError

from survey.engine.environment import Environment, differences, environment
from survey.engine.spill_folder import refuse_foreign_folder
from survey.engine.worker_memory import MEMORY
from survey.loading import own_process

IGNORE_INTERRUPTS = "SPAXEL_SURVEY_IGNORE_INTERRUPTS"
"""Environment variable of workers that share a terminal with the driver.

The terminal sends Ctrl-C and its end to all of them, and a service manager its SIGTERM. The driver
stops its workers once it has published. The value is how many seconds a worker waits for that after
a SIGTERM.
"""

TOPIC = "survey-refused"
NOTE = "SPAXEL_SURVEY_NOTE"
"""Environment variable of a worker with a line that the user of the survey is to see."""

REGISTER_WAITS_S = (0.1, 0.5, 1.0, 2.0, 4.0)
"""Seconds to wait before a plugin is given again, because a worker died meanwhile."""


def dask_setup(worker: Any) -> None:
    """Declare the memory of the worker, unless its command line did.

    Raises
    ------
    ConfigError
        If it would spill to a folder that another user can write to.
    """
    own_process()
    if (grace_s := os.environ.get(IGNORE_INTERRUPTS)) is not None:
        _let_the_driver_decide(float(grace_s))
    refuse_foreign_folder(Path(worker.local_directory).parent)
    state = worker.state
    if MEMORY not in state.total_resources:
        state.total_resources[MEMORY] = state.available_resources[MEMORY] = memory_of(worker)


def _let_the_driver_decide(grace_s: float) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    def end_later(number: int, frame: Any) -> None:
        timer = threading.Timer(grace_s, os._exit, args=(128 + number,))
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, end_later)


def memory_of(worker: Any) -> float:
    """The memory limit of a worker in bytes; without one, the memory of its machine."""
    return float(worker.memory_manager.memory_limit or psutil.virtual_memory().total)


class CheckWorkerOnJoin(WorkerPlugin):
    """Runs on every worker when it joins, also on those that join later."""

    def __init__(self, expected: Environment) -> None:
        self.expected = expected

    async def setup(self, worker: Worker) -> None:
        """Leave if the software differs; else declare the memory, if no preload did."""
        if note := os.environ.get(NOTE):
            worker.log_event(TOPIC, note)
        if fault := differences(self.expected, environment()):
            worker.log_event(TOPIC, f"worker {worker.contact_address} was refused: {fault}")
            worker.loop.add_callback(worker.close, reason="other software than the driver")
        elif MEMORY not in worker.state.total_resources:
            await worker.set_resources(**{MEMORY: memory_of(worker)})


def register(client: Client, plugin: WorkerPlugin, name: str) -> None:
    """Give a plugin to every worker, also to those that will join.

    A worker that dies meanwhile breaks the connection that asks for it, so it is asked for again.

    Raises
    ------
    distributed.comm.CommClosedError
        If the scheduler is gone, or workers keep dying.
    """
    for wait_s in (*REGISTER_WAITS_S, None):
        try:
            client.register_plugin(plugin, name=name)
            return
        except CommClosedError:
            if wait_s is None or client.status != "running":
                raise
            time.sleep(wait_s)


@contextmanager
def checked_workers(client: Client, warn: Callable[[str], None]) -> Iterator[None]:
    """Check every worker of a cluster, those that have joined and those that will."""
    name = f"spaxel-survey-{client.id}"
    said: set[str] = set()

    def say(event: tuple[float, str]) -> None:
        if event[1] not in said:
            said.add(event[1])
            warn(event[1])

    client.subscribe_topic(TOPIC, say)
    register(client, CheckWorkerOnJoin(environment()), name)
    try:
        yield
    finally:
        # The cluster may belong to somebody else and outlive this run, or it may be gone.
        with suppress(Exception):
            client.unregister_worker_plugin(name)
