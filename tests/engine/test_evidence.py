"""Nothing is blamed on a task before there is evidence; real workers fail and die here."""

from __future__ import annotations

import errno
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from distributed import Client, get_worker

from survey.config import EngineSettings
from survey.engine import suspects
from survey.engine.cluster import connect
from survey.engine.submit import ALL_FAIL, Outcome, Task, run_tasks
from survey.engine.worker_records import IN_A_ROW
from survey.errors import (
    DataError,
    InfrastructureError,
    MachineError,
    ResourceError,
    Unconfirmed,
)


def full_while(flag: Path, x: int) -> int:
    """A task on a disk that is full as long as a file is there."""
    time.sleep(0.05)
    if flag.exists():
        raise RuntimeError("a library's own words") from OSError(
            errno.ENOSPC, "No space left on device", f"{flag.parent}/part"
        )
    return x


def without_mount(broken: str, x: int) -> int:
    """A task that fails at once on one worker."""
    if str(get_worker().name) == broken:
        raise Unconfirmed("no such file", result=-x)
    time.sleep(0.2)
    return x


def missing(numbers: set[int], x: int) -> int:
    time.sleep(0.02)
    if x in numbers:
        raise Unconfirmed("no such file", result=-x)
    return x


def import_it(x: int) -> int:
    raise Unconfirmed("No module named 'numba'", result=-x)


class Unloadable:
    """An argument that one worker cannot load."""

    def __init__(self, broken: str, x: int) -> None:
        self.broken, self.x = broken, x

    def __reduce__(self):
        return _load, (self.broken, self.x)


def _load(broken: str, x: int) -> Unloadable:
    try:
        here = str(get_worker().name)
    except ValueError:
        here = ""
    if here == broken:
        raise ModuleNotFoundError("No module named 'private'")
    return Unloadable(broken, x)


def loaded(argument: Unloadable) -> int:
    return argument.x


def take_memory(x: int) -> int:
    if x == 3:
        taken = [bytearray(b"x") * (1 << 20) for _ in range(900)]
        time.sleep(3)
        return len(taken)
    return x


def rest(x: float) -> float:
    time.sleep(x)
    return x


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(EngineSettings(workers=3, memory_limit="1GiB", dashboard=False)) as client:
        yield client


def numbered(numbers: range) -> list[Task]:
    return [Task(str(x), x) for x in numbers]


def test_a_disk_that_is_full_for_a_while_costs_nothing_but_time(client, tmp_path):
    flag = tmp_path / "full"
    flag.touch()
    said: list[str] = []

    def warn(line: str) -> None:
        said.append(line)
        threading.Timer(3.0, flag.unlink, [True]).start()

    function = partial_named(full_while, flag)
    tasks = numbered(range(12))
    outcomes = list(run_tasks(client, function, tasks, window=6, patience_s=60, warn=warn))
    assert sorted(o.result for o in outcomes) == list(range(12))
    assert len(said) == 1, "it is said once"
    assert f"{tmp_path}/part" in said[0]


def test_a_disk_that_stays_full_ends_the_run_with_path_and_need_and_blames_nobody(client, tmp_path):
    (tmp_path / "full").touch()
    function = partial_named(full_while, tmp_path / "full")
    ended = []
    with pytest.raises(MachineError) as caught:
        ended += run_tasks(client, function, numbered(range(12)), window=6, patience_s=4)
    assert not ended
    assert caught.value.file == f"{tmp_path}/part"
    assert "No space left on device" in str(caught.value)
    assert "free space" in str(caught.value)


def test_a_worker_without_the_mount_takes_no_task_down_and_gets_no_more(client):
    said: list[str] = []
    function = partial_named(without_mount, "1")
    outcomes = list(run_tasks(client, function, numbered(range(1, 41)), window=9, warn=said.append))
    assert sorted(o.result for o in outcomes) == list(range(1, 41))
    assert {o.worker for o in outcomes} == {"0", "2"}
    assert any("worker 1 on" in line and "no such file" in line for line in said)
    assert sum(o.attempts - 1 for o in outcomes) <= 9 + IN_A_ROW, "those on their way"


def test_a_file_that_is_really_missing_is_blamed_after_a_second_worker_says_so(client):
    gone = {3, 4, 5, 6, 7}
    outcomes = list(run_tasks(client, partial_named(missing, gone), numbered(range(20)), window=6))
    by_name = {o.task.argument: o for o in outcomes}
    assert {x for x, o in by_name.items() if x and o.result == -x} == gone
    for x in gone:
        assert by_name[x].attempts >= 2
        assert by_name[x].worker
        assert by_name[x].host == os.uname().nodename


def test_if_every_task_fails_the_run_stops_and_blames_nobody(client):
    ended = []
    with pytest.raises(InfrastructureError, match="No module named 'numba'"):
        ended += run_tasks(client, import_it, numbered(range(1, 50)), window=6)
    assert not ended
    with pytest.raises(InfrastructureError, match="every galaxy fails"):
        list(run_tasks(client, import_it, numbered(range(1, 4)), window=6))
    assert ALL_FAIL > 3, "the second case is one of few tasks"


def test_bad_data_are_no_reason_to_stop(client):
    def bad(x: int) -> int:
        raise DataError("bad", found=str(x))

    outcomes = list(run_tasks(client, bad, numbered(range(3 * ALL_FAIL)), window=6))
    assert all(isinstance(o.error, DataError) and o.attempts == 1 for o in outcomes)


def test_what_one_worker_cannot_load_another_does(client):
    tasks = [Task(str(x), Unloadable("2", x)) for x in range(9)]
    outcomes = list(run_tasks(client, loaded, tasks, window=6))
    assert sorted(o.result for o in outcomes) == list(range(9))


def partial_named(function: Callable, first: object) -> Callable:
    bound = partial(function, first)
    bound.__name__ = function.__name__
    return bound


def collect(ended: Iterator[Outcome], outcomes: list[Outcome]) -> None:
    """What ends before an error is raised, too."""
    for outcome in ended:
        outcomes.append(outcome)


@contextmanager
def killer(client: Client, every_s: float, seed: int, *, most: int = 1000) -> Iterator[list[int]]:
    """Kill one of the workers whenever all have been there for so long: a start takes its time."""
    over, kills, generator = threading.Event(), [], random.Random(seed)
    n_worker = len(client.scheduler_info(n_workers=-1)["workers"])

    def go_on() -> None:
        while not over.wait(every_s) and len(kills) < most:
            pids: dict[str, int] = {}
            with suppress(Exception):  # One dies of itself, or the run is over.
                pids = client.run(os.getpid, on_error="ignore")
            if len(pids) == n_worker and not over.wait(every_s):
                kills.append(generator.choice(sorted(pids.values())))
                os.kill(kills[-1], signal.SIGKILL)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield kills
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_workers_that_are_killed_all_the_time_blame_nobody(tmp_path):
    """What cannot be finished ends the run; what is finished stays."""
    with (
        connect(EngineSettings(workers=2, memory_limit="1GiB", dashboard=False)) as client,
        killer(client, 2.0, 1) as kills,
    ):
        outcomes: list[Outcome] = []
        tasks = [Task("endless", 600.0), *(Task(str(x), 0.5 + x / 100) for x in range(12))]
        with pytest.raises(InfrastructureError, match="workers keep dying"):
            collect(run_tasks(client, rest, tasks, window=6, patience_s=30), outcomes)
    assert len(kills) >= 4
    assert all(o.error is None for o in outcomes)
    assert len(outcomes) == 12


@pytest.mark.slow
def test_a_wave_of_kills_that_passes_costs_nobody_anything():
    with (
        connect(EngineSettings(workers=2, memory_limit="1GiB", dashboard=False)) as client,
        killer(client, 1.0, 2, most=4) as kills,
    ):
        tasks = [Task(str(x), 2.0 + x / 100) for x in range(12)]
        outcomes = list(run_tasks(client, rest, tasks, window=6, patience_s=120))
    assert len(kills) >= 2, "the last of them may come too late"
    assert all(o.error is None for o in outcomes)
    assert len(outcomes) == 12


@pytest.mark.slow
def test_a_task_that_is_over_memory_by_the_workers_own_measure_is_blamed(monkeypatch):
    with connect(EngineSettings(workers=2, memory_limit="500MiB", dashboard=False)) as client:
        outcomes = list(run_tasks(client, take_memory, numbered(range(8)), window=4))
    failed = [o for o in outcomes if o.error is not None]
    assert [o.task.argument for o in failed] == [3]
    assert isinstance(failed[0].error, ResourceError)
    assert "ended for its memory" in str(failed[0].error)
    assert "the memory limit of a worker, at most 500.00 MiB" in str(failed[0].error)
    assert failed[0].attempts < suspects.TRIALS + suspects.LONE_DEATHS
