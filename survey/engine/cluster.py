"""Where the work runs: processes on this machine, or a scheduler that is already there."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from dask.utils import parse_bytes
from distributed import Client, LocalCluster

from survey.config import EngineSettings
from survey.engine.frugal import FRUGAL
from survey.errors import ConfigError

Cluster = Client
"""What higher floors hold of a cluster, without knowing whose it is."""

LOOPBACK = "127.0.0.1"
CONNECT_TIMEOUT = "20s"

SCHEDULING = {
    **FRUGAL,
    # One death of a worker is enough: its tasks come back to us as suspects and are tried
    # again one at a time (see `submit`), so that the guilty one takes no innocent with it.
    "distributed.scheduler.allowed-failures": 0,
}


@contextmanager
def connect(settings: EngineSettings) -> Iterator[Client]:
    """A client of the cluster that `settings` describe, closed at the end.

    Without a scheduler address a cluster of worker processes is started; it, its workers and
    its dashboard listen on the loopback interface alone. Every worker process computes with
    one BLAS thread, which the Dask nannies see to.

    Raises
    ------
    ConfigError
        If nobody answers at `settings.scheduler`.
    """
    if settings.scheduler is not None:
        with _existing(settings.scheduler) as client:
            yield client
        return
    with (
        dask.config.set(SCHEDULING),
        _started(settings) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _started(settings: EngineSettings) -> LocalCluster:
    limit = settings.memory_limit
    if limit != "auto":
        try:
            parse_bytes(limit)
        except ValueError:
            raise ConfigError(
                "engine.memory_limit is no amount of memory", expected='"4GiB"', found=repr(limit)
            ) from None
    with _deaf_to_interrupts():
        return LocalCluster(
            n_workers=settings.workers,
            threads_per_worker=settings.threads_per_worker,
            processes=True,
            host=LOOPBACK,
            memory_limit=limit,
            # Without an address of its own the HTTP server would listen on every interface.
            dashboard_address=f"{LOOPBACK}:0",
            scheduler_kwargs={"dashboard": settings.dashboard},
            worker_dashboard_address=f"{LOOPBACK}:0",
            silence_logs=40,
        )


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started meanwhile ignore Ctrl-C, which a terminal sends to all of them.

    It is for the driver to stop them, once it has published what is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may touch signals.
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _existing(address: str) -> Client:
    try:
        return Client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at {address}",
            expected='an address like "tcp://host:8786"',
            found=f"{type(error).__name__}: {error}",
            advice="Start one with `dask scheduler`, or leave the address out to work here.",
        ) from error


def worker_memory_bytes(client: Client) -> int | None:
    """The smallest memory limit among the workers, or None where there is no limit."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [worker["memory_limit"] for worker in workers if worker.get("memory_limit")]
    return min(limits, default=None)


def slots(client: Client) -> int:
    """How many tasks the cluster can run at once."""
    return max(1, sum(client.nthreads().values()))
