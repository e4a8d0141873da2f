"""Workers that lack something get no tasks, and those that come and go are followed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from distributed import Client

from survey.engine.preflight.admission import admission
from survey.engine.preflight.needs import PREFLIGHT
from survey.engine.submit import Outcome, Task, run_tasks
from survey.engine.window import QUEUED, Window
from survey.errors import ConfigError
from tests.engine.by_hand import dask_scheduler, dask_worker

pytestmark = pytest.mark.slow

SCRATCH = "$SCRATCH_OF_A_NODE"


def rest(x: float) -> float:
    time.sleep(x)
    return x


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Client, Callable[..., ExitStack]]]:
    """A scheduler, and what starts a worker that has a scratch folder or not."""
    with ExitStack() as stack:
        address = stack.enter_context(dask_scheduler(tmp_path))
        client = stack.enter_context(Client(address))

        def start(name: str, *, has_scratch: bool) -> None:
            variables = {"SCRATCH_OF_A_NODE": str(tmp_path / "node")} if has_scratch else {}
            before = len(client.nthreads())
            process = dask_worker(address, tmp_path, "--no-nanny", name=name, **variables)
            stack.enter_context(process)
            client.wait_for_workers(before + 1, timeout=60)

        yield client, start


def test_workers_that_lack_something_get_nothing_and_late_ones_are_asked(cluster, tmp_path) -> None:
    client, start = cluster
    start("blind", has_scratch=False)
    said: list[str] = []
    with (
        pytest.raises(ConfigError, match="no worker can work on this survey") as caught,
        admission(client, tmp_path, [], said.append, scratch=SCRATCH),
    ):
        pass
    assert "worker blind on" in str(caught.value)
    assert "SCRATCH_OF_A_NODE" in str(caught.value)

    start("sees", has_scratch=True)
    said.clear()
    with admission(client, tmp_path, [], said.append, scratch=SCRATCH) as admitted:
        assert [line.split()[:2] for line in said] == [["worker", "blind"]]
        outcomes: list[Outcome] = []
        tasks = [Task(str(x), 0.2) for x in range(60)]
        running = run_tasks(client, rest, tasks, window=Window(3), admitted=admitted)
        outcomes += [next(running) for _ in range(5)]
        start("late and blind", has_scratch=False)
        start("late", has_scratch=True)
        outcomes += running
    assert len({o.task.name for o in outcomes}) == len(outcomes) == 60
    assert all(o.error is None and o.attempts == 1 for o in outcomes)
    assert {o.worker for o in outcomes} == {"sees", "late"}
    assert sum("late and blind" in line for line in said) == 1
    assert not (tmp_path / PREFLIGHT).exists()


def test_the_window_follows_the_workers_and_an_adaptive_cluster_sees_the_work(cluster) -> None:
    def target(dask_scheduler) -> int:
        return dask_scheduler.adaptive_target()

    client, start = cluster
    start("first", has_scratch=True)
    tasks = [Task(str(x), 0.2) for x in range(100)]
    running = run_tasks(client, rest, tasks, window=Window(3))
    outcomes = [next(running) for _ in range(3)]
    wanted = client.run_on_scheduler(target)
    assert wanted >= 4, "97 tasks of 0.2 s are 20 s of work"
    start("second", has_scratch=True)
    outcomes += running
    assert {o.worker for o in outcomes} == {"first", "second"}
    assert all(o.error is None for o in outcomes)


def test_where_workers_are_left_out_the_window_is_narrow() -> None:
    assert Window(3).size(2, restricted=True) == 6
    assert Window(3).size(2, restricted=False) == QUEUED
    assert Window(3).size(1000, restricted=False) == 3000
