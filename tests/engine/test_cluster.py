import os
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client, Worker, WorkerPlugin
from distributed.comm.core import CommClosedError
from threadpoolctl import threadpool_info

from survey.config import EngineSettings
from survey.engine.cluster import connect, slots
from survey.engine.worker_memory import MEMORY
from survey.engine.worker_preload import register
from survey.errors import ConfigError, InfrastructureError
from tests.engine.by_hand import memory_limits


def test_workers_are_processes_of_their_own(client: Client) -> None:
    pids = set(client.run(os.getpid).values())
    assert len(pids) == 2
    assert os.getpid() not in pids


@pytest.mark.parametrize("dashboard", [True, False])
def test_everything_listens_on_loopback_alone(dashboard: bool) -> None:
    settings = EngineSettings(workers=1, memory_limit="1GiB", dashboard=dashboard)
    before = _listening()
    with connect(settings):
        opened = _listening() - before
    assert len(opened) >= 3, "scheduler, worker and HTTP"
    assert {host for host, _ in opened} == {"127.0.0.1"}


def _listening() -> set[tuple[str, int]]:
    """Addresses at which this process and its children accept connections."""
    me = psutil.Process()
    return {
        tuple(connection.laddr)
        for process in [me, *me.children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_workers_compute_with_one_blas_thread(client: Client) -> None:
    def blas_threads() -> set[int]:
        import numpy  # noqa: F401  (loads the BLAS)
        from threadpoolctl import threadpool_info

        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    assert all(threads == {1} for threads in client.run(blas_threads).values())


def test_without_workers_the_process_itself_computes_with_one_blas_thread() -> None:
    def where() -> tuple[int, set[int]]:
        pools = threadpool_info()
        return os.getpid(), {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}

    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with connect(EngineSettings(workers=0, dashboard=False)) as client:
        assert client.submit(where).result() == (os.getpid(), {1})
        assert slots(client) == 1
        (worker,) = client.scheduler_info(n_workers=-1)["workers"].values()
        assert worker["resources"][MEMORY] == worker["memory_limit"]
        children = {process.pid for process in psutil.Process().children(recursive=True)}
    assert children <= before


def test_event_loops_look_twice_a_second_whether_they_are_late(client: Client) -> None:
    def interval_ms(server: Any) -> float:
        return float(server.periodic_callbacks["tick"].callback_time)

    def of_worker(dask_worker: Any) -> float:
        return interval_ms(dask_worker)

    def of_scheduler(dask_scheduler: Any) -> float:
        return interval_ms(dask_scheduler)

    assert {client.run_on_scheduler(of_scheduler), *client.run(of_worker).values()} == {500.0}


def test_memory_limit_and_slots_are_reported(client: Client) -> None:
    assert memory_limits(client) == {2**30}
    assert slots(client) == 2


def test_a_silent_address_is_a_settings_error(tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text('kind = "existing"\naddress = "tcp://127.0.0.1:9"\nconnect_timeout_s = 1\n')
    with (
        pytest.raises(ConfigError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"),
        connect(EngineSettings(cluster=str(file))),
    ):
        pass


def test_large_workers_stand_beside_the_others_and_say_what_memory_they_have(
    tmp_path: Path,
) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(
        'kind = "local"\nworkers = 1\nmemory_limit = "1GiB"\nresources = { gpu = 1 }\n'
        '[large]\nmemory_limit = "3GiB"\n'
    )
    with connect(EngineSettings(cluster=str(file))) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        assert sorted(worker["resources"][MEMORY] for worker in workers) == [2**30, 3 * 2**30]
        assert all(worker["resources"]["gpu"] == 1 for worker in workers)
        assert slots(client) == 2
        assert memory_limits(client) == {2**30, 3 * 2**30}


def test_workers_keep_no_history_of_themselves(client: Client) -> None:
    def callbacks(dask_worker: Worker) -> set[str]:
        return set(dask_worker.periodic_callbacks)

    assert all("heartbeat" in names for names in client.run(callbacks).values())
    assert not any("profile" in names for names in client.run(callbacks).values())


class _DieOnce(WorkerPlugin):
    """Kills the first worker that gets it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def setup(self, worker: Worker) -> None:
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return
        os._exit(1)


def test_a_worker_that_dies_while_it_gets_a_plugin_fails_nothing(tmp_path: Path) -> None:
    with connect(EngineSettings(workers=2, memory_limit="1GiB", dashboard=False)) as client:
        register(client, _DieOnce(tmp_path / "first"), "die-once")
        assert (tmp_path / "first").exists()
        client.wait_for_workers(2)
        assert client.submit(os.getpid).result() != os.getpid()


def test_a_connection_that_breaks_is_a_lost_cluster_and_no_file() -> None:
    broken = CommClosedError("in <TLS (closed)>: Stream is closed")
    lost = pytest.raises(InfrastructureError, match=r"cluster was lost.*Run the same command again")
    with lost, connect(EngineSettings(workers=0, dashboard=False)):
        raise broken
