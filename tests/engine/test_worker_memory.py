"""Workers of two sizes: large galaxies wait for the large one, and not for one that is gone."""

from collections.abc import Iterator

import pytest
from distributed import Client, LocalCluster, get_worker

from survey.engine import submit
from survey.engine.submit import Task, run_tasks
from survey.engine.worker_memory import MEMORY, WorkerMemory
from survey.errors import MemoryNeeded, ResourceError

SMALL, LARGE = 4e9, 16e9


@pytest.fixture
def two_sizes() -> Iterator[Client]:
    """A worker of each size, as threads of this process."""
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            resources={MEMORY: SMALL},
        ) as cluster,
        Client(cluster) as client,
    ):
        options = cluster.new_spec["options"] | {"resources": {MEMORY: LARGE}}
        cluster.worker_spec["large"] = {**cluster.new_spec, "options": options}
        cluster.scale(2)
        client.wait_for_workers(2)
        yield client


def memory_here(_: object) -> float:
    return get_worker().state.total_resources[MEMORY]


def needs(n_bytes: int) -> float:
    """Finds out only when it has begun that it needs so much."""
    if memory_here(None) < n_bytes:
        raise MemoryNeeded("too large for this worker", file="a.fits", needed_bytes=n_bytes)
    return memory_here(None)


def by_name(client: Client, function, tasks: list[Task]) -> dict[str, submit.Outcome]:
    return {o.task.name: o for o in run_tasks(client, function, tasks, window=4)}


def test_a_task_goes_where_its_memory_is(two_sizes):
    tasks = [Task(str(i), i, memory_bytes=5e9) for i in range(6)]
    outcomes = by_name(two_sizes, memory_here, tasks)
    assert [o.result for o in outcomes.values()] == [LARGE] * 6


def test_small_tasks_are_not_sent_anywhere_in_particular(two_sizes):
    memory = WorkerMemory(two_sizes)
    assert memory.claim(0.0) is None
    assert memory.claim(SMALL) is None


def test_what_no_worker_has_is_tried_on_the_largest(two_sizes):
    outcomes = by_name(two_sizes, memory_here, [Task("huge", 0, memory_bytes=99e9)])
    assert outcomes["huge"].result == LARGE


def test_a_task_that_finds_it_needs_more_is_given_more(two_sizes):
    tasks = [Task(str(i), 10**9 * i) for i in (1, 2, 9, 11)]
    outcomes = by_name(two_sizes, needs, tasks)
    assert all(o.error is None for o in outcomes.values())
    assert outcomes["9"].result == outcomes["11"].result == LARGE


def test_what_no_worker_can_hold_is_refused_after_all_else(two_sizes):
    tasks = [Task("too much", 99 * 10**9), *(Task(str(i), i) for i in range(5))]
    outcomes = list(run_tasks(two_sizes, needs, tasks, window=2))
    assert [o.task.name for o in outcomes if o.error] == ["too much"]
    refused = outcomes[-1].error
    assert isinstance(refused, ResourceError)
    assert str(refused).startswith(
        "no worker has the memory it needs; expected a worker with 92.20 GiB; found 14.90 GiB in"
    )


def test_a_task_does_not_wait_for_a_worker_that_has_gone(two_sizes, monkeypatch):
    monkeypatch.setattr(submit, "POLL_S", 0.1)
    monkeypatch.setattr("survey.engine.worker_memory.REFRESH_S", 0.0)
    claim = WorkerMemory.claim
    large = next(
        address
        for address, worker in two_sizes.scheduler_info()["workers"].items()
        if worker["resources"][MEMORY] == LARGE
    )

    def claim_and_lose(self, wanted_bytes):
        found = claim(self, wanted_bytes)
        two_sizes.retire_workers([large])
        return found

    monkeypatch.setattr(WorkerMemory, "claim", claim_and_lose)
    outcomes = by_name(two_sizes, memory_here, [Task("large", 0, memory_bytes=5e9)])
    assert outcomes["large"].result == SMALL


def test_workers_that_declare_nothing_are_all_the_same():
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        memory = WorkerMemory(client)
        assert memory.claim(1e15) is None
        assert by_name(client, len, [Task("any", "abc", memory_bytes=1e15)])["any"].result == 3
