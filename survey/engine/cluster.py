"""Where the work runs: a client of whatever cluster the settings ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from weakref import WeakKeyDictionary

import dask
from distributed import Client

from survey.config import EngineSettings
from survey.engine.backends.base import SCHEDULING, ClusterTable, Warn
from survey.engine.backends.local import LocalTable
from survey.engine.environment import check_environments
from survey.engine.monitor import watched
from survey.engine.settings import cluster_of
from survey.engine.worker_preload import checked_workers

logger = logging.getLogger(__name__)

_tables: WeakKeyDictionary[Client, ClusterTable] = WeakKeyDictionary()


class LazyCluster:
    """A cluster that starts when it is first used, and ends with the block it is opened in.

    Parameters
    ----------
    settings : EngineSettings
        What cluster it is; looked at now, so that mistakes are found before anything is done.
    on_start : callable
        Called with the client once the cluster is there.
    warn : callable
        Called with one line on what goes wrong without stopping the work: a worker that is stalled
        or was refused, jobs that end without a worker.

    Raises
    ------
    ConfigError
        If the settings make no sense.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        on_start: Callable[[Client], None] = lambda client: None,
        warn: Warn = logger.warning,
    ) -> None:
        self.table = cluster_of(settings)
        if not settings.dashboard:
            self.table = self.table.model_copy(update={"dashboard": False})
        self.on_start = on_start
        self.warn = warn
        self._stack = ExitStack()
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """A client of the cluster, which is started now if it is not running.

        Every worker process computes with one BLAS thread, which the Dask nannies see to.

        Raises
        ------
        ConfigError
            If the cluster cannot be had, or runs other software than this process.
        InfrastructureError
            If its workers do not come.
        """
        if self._client is None:
            with ExitStack() as stack:
                client = self._open(stack)
                self._stack = stack.pop_all()
            self._client = client
            self.on_start(client)
        return self._client

    def _open(self, stack: ExitStack) -> Client:
        stack.enter_context(dask.config.set(SCHEDULING))
        client = stack.enter_context(self.table.open(self.warn))
        if not isinstance(self.table, LocalTable):
            check_environments(client)
        stack.enter_context(checked_workers(client, self.warn))
        stack.enter_context(watched(client, self.table, self.warn))
        _tables[client] = self.table
        return client

    def __enter__(self) -> LazyCluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client = None
        self._stack.close()


Cluster = Client | LazyCluster
"""What higher floors hold of a cluster, without knowing whose it is or whether it runs yet."""


def started(cluster: Cluster) -> Client:
    """The client of a cluster, which is started if it does not run yet."""
    return cluster.client if isinstance(cluster, LazyCluster) else cluster


@contextmanager
def connect(settings: EngineSettings) -> Iterator[Client]:
    """A client of the cluster that `settings` describe, started now and closed at the end.

    Raises
    ------
    ConfigError
        If the settings make no sense, or the cluster cannot be had.
    """
    with LazyCluster(settings) as cluster:
        yield cluster.client


def slots(cluster: Cluster) -> int:
    """How many tasks the cluster can run at once, with the workers that are still to come."""
    client = started(cluster)
    expected = _tables[client].expected_slots if client in _tables else 0
    return max(1, sum(client.nthreads().values()), expected)
