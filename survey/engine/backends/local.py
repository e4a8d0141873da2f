"""Worker processes on this machine."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from types import FrameType
from typing import ClassVar, Literal, Self

from distributed import Client, LocalCluster
from pydantic import Field, field_validator, model_validator
from threadpoolctl import threadpool_limits

from survey.config.engine import ANY_MACHINE
from survey.engine.backends.base import LOOPBACK, PRELOAD, LargeWorkers, Warn, WorkerSettings
from survey.engine.backends.certificates import temporary_security
from survey.engine.backends.revive import revived
from survey.engine.observe.later_pages import (
    NannyWithoutPages,
    WorkerWithoutPages,
    offer_pages,
)
from survey.engine.spill_folder import spill_folder
from survey.engine.worker_preload import IGNORE_INTERRUPTS
from survey.errors import InfrastructureError

STOPPING: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

EXAMPLE = """\
kind = "local"
workers = 8
memory_limit = "4GiB"
"""

WORKERS_PER_CPU = 16
"""More only wait for each other."""

START_WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait before the workers are started again that died while they started."""


class LocalSettings(WorkerSettings):
    """`workers` processes; scheduler, workers and pages listen only on the loopback interface.

    With `workers = 0` the process of the command computes itself. Nothing watches its memory, and a
    galaxy that kills it ends the run.


    Every user of the machine can reach that. With `tls = "temporary"` only processes that have the
    key of this run get in; with "off" everybody can run code as you.
    SIGTERM is for the command, which then ends its workers; one that is still there `grace_s`
    later ends itself.
    """

    EXAMPLE: ClassVar[str] = EXAMPLE

    kind: Literal["local"] = "local"
    workers: int = Field(default=2, ge=0)
    large: LargeWorkers | None = None
    tls: Literal["temporary", "off"] = "temporary"
    grace_s: float = Field(default=60.0, ge=0)

    @field_validator("workers")
    @classmethod
    def _fit_this_machine(cls, workers: int) -> int:
        most = max(ANY_MACHINE, WORKERS_PER_CPU * (os.cpu_count() or 1))
        if workers > most:
            raise ValueError(f"{workers} workers are more than this machine can run: {most}")
        return workers

    @model_validator(mode="after")
    def _large_workers_are_processes(self) -> Self:
        if self.large is not None and not self.workers:
            raise ValueError("large workers need others beside them: workers = 1 or more")
        return self

    @property
    def expected_slots(self) -> int:
        """All threads of all workers."""
        large = self.large.workers if self.large else 0
        return (max(1, self.workers) + large) * self.threads

    def without_tls(self) -> Self:
        """The same cluster with plain connections."""
        return self.model_copy(update={"tls": "off"})

    @contextmanager
    def open(self, warn: Warn) -> Iterator[Client]:
        """A client of a scheduler in this process and of worker processes beside it."""
        with ExitStack() as stack:
            cluster = self._started(stack, warn)
            with interrupts_deferred():
                client = stack.enter_context(Client(cluster))
                if self.large is not None:
                    _add(self.large, cluster)
                    client.wait_for_workers(self.workers + self.large.workers)
                offer_pages(client, of_scheduler=self.dashboard)
                if self.workers:
                    stack.enter_context(revived(cluster))
                else:  # No nanny sets the environment of this process.
                    stack.enter_context(threadpool_limits(1))
            yield client

    def _started(self, stack: ExitStack, warn: Warn) -> LocalCluster:
        """The cluster; it is started again if one of its workers dies while it starts.

        Raises
        ------
        InfrastructureError
            If workers die in every attempt.
        """
        for wait_s in (*START_WAITS_S, None):
            try:
                with interrupts_deferred():
                    return stack.enter_context(self._cluster())
            except (RuntimeError, TimeoutError) as error:
                reason = _reason(error)
                if wait_s is None:
                    raise InfrastructureError(
                        "the workers do not start",
                        found=reason,
                        advice="Find out what ends them, and run the same command again.",
                    ) from error
                warn(f"the workers did not start ({reason}); once more in {wait_s:g} s")
                time.sleep(wait_s)
        raise AssertionError("unreachable")

    def _cluster(self) -> LocalCluster:
        _start_resource_tracker()
        return LocalCluster(
            n_workers=max(1, self.workers),
            threads_per_worker=self.threads,
            processes=self.workers > 0,
            worker_class=NannyWithoutPages if self.workers else WorkerWithoutPages,
            host=LOOPBACK,
            security=temporary_security() if self.tls == "temporary" else None,
            memory_limit=self.memory_limit,
            local_directory=str(spill_folder(self.scratch)),
            resources=self.resources or None,
            preload=[PRELOAD],
            **({"env": {IGNORE_INTERRUPTS: f"{self.grace_s:g}"}} if self.workers else {}),
            # Without an address of its own the HTTP server would listen on every interface.
            dashboard_address=f"{self.http_host}:0",
            scheduler_kwargs={"dashboard": False},
            worker_dashboard_address=f"{self.http_host}:0",
            # A stopped worker logs that it lost its scheduler; real problems reach us otherwise.
            silence_logs=logging.CRITICAL,
        )


def _start_resource_tracker() -> None:
    """Start the process in which Python tracks what its processes share, deaf to SIGHUP.

    It ignores the other signals that a whole group of processes may get. Were it killed, the next
    one would complain about everything that it does not know.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        resource_tracker.ensure_running()
    finally:
        signal.signal(signal.SIGHUP, handler)


def _reason(error: BaseException) -> str:
    """What an error was caused by, in the end."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def _add(large: LargeWorkers, cluster: LocalCluster) -> None:
    options = cluster.new_spec["options"] | {"memory_limit": large.memory_limit}
    for number in range(large.workers):
        cluster.worker_spec[f"large-{number}"] = {**cluster.new_spec, "options": options}
    cluster.scale(len(cluster.worker_spec))


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Delay a signal to stop to the end of the block: a half-started cluster is hard to stop.

    A second one is not delayed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may touch signals.
        return
    heard: list[int] = []
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    # Signals that are ignored (`nohup`) stay so.
    handlers = {number: old for number, old in handlers.items() if callable(old)}

    def defer(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        if len(heard) > 1:
            first, second = handlers[heard[0]], handlers[number]
            assert callable(first)
            assert callable(second)
            with suppress(KeyboardInterrupt):
                first(heard[0], frame)
            second(number, frame)

    for number in handlers:
        signal.signal(number, defer)
    try:
        yield
    finally:
        for number, old in handlers.items():
            signal.signal(number, old)
        if heard:
            signal.raise_signal(heard[0])
