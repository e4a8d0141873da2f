"""Workers that join a running cluster, as a job that replaces another, or a pod.

They come at any time after the environments were compared. One with other software than the
driver leaves again before it has touched a galaxy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from distributed import Client, Worker, WorkerPlugin

from survey.engine.clusters.base import Warn
from survey.engine.environment import Environment, differences, environment
from survey.engine.preload import MEMORY, memory_of

TOPIC = "survey-refused"


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
def welcoming(client: Client, warn: Warn) -> Iterator[None]:
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
