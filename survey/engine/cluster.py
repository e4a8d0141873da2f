"""Where the work runs: a client of the cluster that the settings ask for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

from survey.config import EngineSettings
from survey.config.engine import ANY_MACHINE
from survey.errors import RESUME, InfrastructureError

if TYPE_CHECKING:
    from distributed import Client

    from survey.engine.backends.base import ClusterSettings, Warn

logger = logging.getLogger(__name__)

_settings: WeakKeyDictionary[Client, ClusterSettings] = WeakKeyDictionary()


class LazyCluster:
    """A cluster that starts when it is first used, and ends with the `with` block.

    Parameters
    ----------
    settings : EngineSettings
        Checked now, so that mistakes are found before anything is done.
    on_start : callable
        Called with the client once the cluster runs.
    tab : callable, optional
        Given the client, it shows a page beside those of Dask while the cluster runs; only if the
        scheduler is ours.
    performance_report : Path, optional
        Where to write Dask's report of what the cluster did.
    warn : callable
        Called with one line about a problem that does not stop the work: a worker that is stalled
        or was refused, jobs that end without a worker.

    Raises
    ------
    ConfigError
        If the settings make no sense.
    InfrastructureError
        At the end of the block, if the cluster was lost in it.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        on_start: Callable[[Client], None] = lambda client: None,
        tab: Callable[[Client], AbstractContextManager[bool]] | None = None,
        performance_report: Path | None = None,
        warn: Warn = logger.warning,
    ) -> None:
        self._engine = settings
        if (
            settings.cluster
            or settings.scheduler
            or settings.memory_limit != EngineSettings().memory_limit
            or settings.workers > ANY_MACHINE
        ):
            _ = self.settings
        if performance_report is not None:
            from survey.engine.observe.performance import check_report_path

            check_report_path(performance_report)
        self.on_start, self.tab, self.performance_report = on_start, tab, performance_report
        self._shows = [warn]
        self._stack = ExitStack()
        self._client: Client | None = None

    @cached_property
    def settings(self) -> ClusterSettings:
        """The settings of the cluster."""
        from survey.engine.cluster_file import cluster_of

        settings = cluster_of(self._engine)
        if not self._engine.dashboard:
            settings = settings.model_copy(update={"dashboard": False})
        return settings.without_tls() if self._engine.insecure else settings

    @property
    def client(self) -> Client:
        """A client of the cluster; starts the cluster if it is not running.

        Every worker process computes with one BLAS thread; the Dask nannies set that.

        Raises
        ------
        ConfigError
            If the cluster cannot be started or reached, or runs other software than this process.
        InfrastructureError
            If its workers do not arrive in time.
        """
        if self._client is None:
            with ExitStack() as stack:
                client = self._open(stack)
                self._stack = stack.pop_all()
            self._client = client
            self.on_start(client)
        return self._client

    def use_at_most(self, workers: int) -> None:
        """Start no more local processes than these; a cluster that runs is left as it is."""
        from survey.engine.backends.local import LocalSettings

        if isinstance(self.settings, LocalSettings) and workers < self.settings.workers:
            self.settings = self.settings.model_copy(update={"workers": workers})

    def warn(self, message: str) -> None:
        """Show a problem that does not stop the work, to all who want to hear of it."""
        for show in self._shows:
            show(message)

    def _open(self, stack: ExitStack) -> Client:
        # Dask is loaded when it is used: many runs find everything finished.
        import dask

        from survey.engine.backends.base import SCHEDULING, WorkerSettings
        from survey.engine.backends.local import LocalSettings
        from survey.engine.environment import check_environments
        from survey.engine.monitor import watched
        from survey.engine.observe.performance import PROFILED, reported
        from survey.engine.page_token import protected_pages
        from survey.engine.worker_preload import checked_workers

        stack.enter_context(dask.config.set(SCHEDULING))
        if self.performance_report is not None:
            stack.enter_context(dask.config.set(PROFILED))
        client = stack.enter_context(self.settings.open(self.warn))
        if not isinstance(self.settings, LocalSettings):
            check_environments(client)
        if isinstance(self.settings, WorkerSettings):
            stack.enter_context(protected_pages(client))
            if self.tab is not None and self.settings.dashboard:
                stack.enter_context(self.tab(client))
        stack.enter_context(checked_workers(client, self.warn))
        stack.enter_context(watched(client, self.settings, self.warn))
        if self.performance_report is not None:
            stack.enter_context(reported(client, self.performance_report, self.warn))
        _settings[client] = self.settings
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
        if _is_lost_connection(error):
            # An OSError of Dask, which else would look like that of a file.
            raise InfrastructureError(
                "the Dask cluster was lost", found=str(error), advice=RESUME
            ) from error


def _is_lost_connection(error: BaseException | None) -> bool:
    # If Dask was not loaded, no connection of it is lost.
    core = sys.modules.get("distributed.comm.core")
    return core is not None and isinstance(error, core.CommClosedError)


Cluster: TypeAlias = "Client | LazyCluster"
"""A cluster as other packages see it: of any kind, and running already or not yet."""


def started(cluster: Cluster) -> Client:
    """The client of a cluster; starts the cluster if it does not run yet."""
    return cluster.client if isinstance(cluster, LazyCluster) else cluster


def warnings_of(cluster: Cluster) -> Warn:
    """What shows the user a problem of a cluster that does not stop the work."""
    return cluster.warn if isinstance(cluster, LazyCluster) else logger.warning


@contextmanager
def warnings_heard(cluster: Cluster, hear: Warn) -> Iterator[None]:
    """Also call `hear` with the problems of a cluster of ours while the block runs."""
    shows = cluster._shows if isinstance(cluster, LazyCluster) else []
    shows.append(hear)
    try:
        yield
    finally:
        shows.remove(hear)


@contextmanager
def connect(settings: EngineSettings) -> Iterator[Client]:
    """A client of the cluster that `settings` describe, started now and closed at the end.

    Raises
    ------
    ConfigError
        If the settings make no sense, or the cluster cannot be started or reached.
    """
    with LazyCluster(settings) as cluster:
        yield cluster.client


def slots(cluster: Cluster) -> int:
    """How many tasks the cluster can run at once, counting workers that have not joined yet."""
    client = started(cluster)
    expected = _settings[client].expected_slots if client in _settings else 0
    return max(1, sum(client.nthreads().values()), expected)
