import os
import signal
import time

import pytest
from distributed import Client

from survey.config import EngineSettings
from survey.engine import attempt
from survey.engine.cluster import connect
from survey.engine.submit import Task, run_tasks
from survey.errors import DataError, InfrastructureError, ResourceError


def square(x: int) -> int:
    if x < 0:
        raise DataError("negative", file=f"{x}.fits", expected="x >= 0", found=str(x))
    return x * x


def die_on_thirteen(x: int) -> int:
    if x == 13:
        time.sleep(0.2)
        os._exit(1)
    time.sleep(0.05)
    return x


def now(_: int) -> float:
    time.sleep(0.02)
    return time.time()


def test_every_task_ends_once_with_its_result(client: Client) -> None:
    tasks = [Task(str(x), x) for x in range(30)]
    outcomes = list(run_tasks(client, square, tasks, window=4))
    assert {o.task.argument: o.result for o in outcomes} == {x: x * x for x in range(30)}


def test_an_error_keeps_its_type_and_all_its_details(client: Client) -> None:
    tasks = [Task("bad", -3), Task("good", 3)]
    by_name = {o.task.name: o for o in run_tasks(client, square, tasks, window=2)}
    assert by_name["good"].result == 9
    error = by_name["bad"].error
    assert isinstance(error, DataError)
    assert str(error) == "-3.fits: negative; expected x >= 0; found -3"


def test_no_more_than_the_window_is_ever_submitted(client: Client) -> None:
    submitted = 0

    def tasks():
        nonlocal submitted
        for x in range(12):
            submitted += 1
            yield Task(str(x), x)

    for ended, _ in enumerate(run_tasks(client, now, tasks(), window=3), start=1):
        assert submitted - ended <= 3


def test_a_killed_worker_costs_only_the_task_that_kills_it() -> None:
    with connect(EngineSettings(workers=2, memory_limit="1GiB", dashboard=False)) as client:
        tasks = [Task(str(x), x) for x in range(10, 20)]
        outcomes = list(run_tasks(client, die_on_thirteen, tasks, window=6))
    failed = [o for o in outcomes if o.error is not None]
    assert [o.task.argument for o in failed] == [13]
    assert isinstance(failed[0].error, ResourceError)
    assert sorted(o.result for o in outcomes if o.error is None) == [
        x for x in range(10, 20) if x != 13
    ]


def test_results_that_are_lost_with_their_workers_are_computed_again(monkeypatch) -> None:
    """The driver does something else, for example publishes, while the workers end."""
    monkeypatch.setattr(attempt, "FETCH_S", 1.0)
    with connect(EngineSettings(workers=2, memory_limit="1GiB", dashboard=False)) as client:
        outcomes = run_tasks(client, square, [Task(str(x), x) for x in range(12)], window=6)
        found = [next(outcomes).result]
        time.sleep(1.0)
        for pid in client.run(os.getpid).values():
            os.kill(pid, signal.SIGKILL)
        time.sleep(1.0)
        rest = list(outcomes)
    assert all(outcome.error is None for outcome in rest)
    assert sorted([*found, *(outcome.result for outcome in rest)]) == [x * x for x in range(12)]


def test_a_lost_cluster_is_nobodys_fault() -> None:
    with connect(EngineSettings(workers=1, memory_limit="1GiB", dashboard=False)) as client:
        tasks = [Task(str(x), x) for x in range(50)]
        outcomes = run_tasks(client, now, tasks, window=4)
        next(outcomes)
        client.cluster.close()
        with pytest.raises(InfrastructureError, match="cluster was lost"):
            list(outcomes)
