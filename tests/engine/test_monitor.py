"""What is stalled is reported, with the names of galaxies and workers."""

import json
import time
from pathlib import Path

import pytest

from survey.config import EngineSettings
from survey.engine.backends.base import WatchSettings
from survey.engine.cluster import LazyCluster
from survey.engine.monitor import Snapshot, Watchdog, WorkerView
from survey.engine.submit import Task, run_tasks
from survey.errors import ResourceError

STALLED_S = 600.0


def worker(cpu: float = 100.0, silent: float = 0.0, address: str = "tcp://a:1", **executing: float):
    return WorkerView(address, "one", "a:2", "running", silent, cpu, 2**30, executing)


def warnings_of(*looks: Snapshot, every_s: float = 300.0) -> list[str]:
    """What a watchdog says at several looks, one after another."""
    watchdog = Watchdog(WatchSettings(stalled_s=STALLED_S))
    return [
        finding.message
        for number, snapshot in enumerate(looks)
        for finding in watchdog.findings(snapshot, number * every_s)
    ]


def test_a_galaxy_that_takes_long_on_a_busy_worker_is_no_stall_of_the_worker() -> None:
    looks = [Snapshot("s:1", (worker(cpu=98, big=t), worker(address="b")), 0) for t in range(9)]
    assert not any("a worker is stalled" in message for message in warnings_of(*looks))


def test_a_worker_that_idles_over_the_same_galaxy_is_named_with_it() -> None:
    stuck = worker(cpu=2, **{"NGC 1": 1800.0})
    others = (worker(address=f"tcp://b:{i}", **{f"SIM-{i}": 1.0}) for i in range(3))
    (message,) = warnings_of(*(Snapshot("s:1", (stuck, other), 5) for other in others))
    assert message.startswith("a worker is stalled: tcp://a:1 (one): running, 2% CPU, 1.00 GiB")
    assert message.endswith("NGC 1 for 30 min")


def test_one_busy_moment_is_enough_not_to_stand_still() -> None:
    cpus = [2, 2, 90, 2, 2]
    looks = (Snapshot("s:1", (worker(cpu=cpu, a=1.0),), number) for number, cpu in enumerate(cpus))
    assert warnings_of(*looks) == []


def test_a_worker_that_is_not_heard_of_is_named_at_once_and_not_at_every_look() -> None:
    silent = [Snapshot("s:1", (worker(silent=61.0 + t, a=1.0),), t) for t in range(4)]
    messages = warnings_of(*silent, every_s=30.0)
    assert len(messages) == 1
    assert "a worker is silent: tcp://a:1" in messages[0]


def test_a_stalled_run_names_all_workers_and_galaxies() -> None:
    workers = (worker(a=100.0), worker(address="tcp://b:1", b=200.0))
    (message,) = warnings_of(*[Snapshot("s:1", workers, 7)] * 3)
    assert message.startswith("nothing has ended for 10 min: 7 tasks wait, 2 workers are connected")
    assert "tcp://a:1" in message
    assert "b for 3 min" in message


def test_work_without_workers_is_reported() -> None:
    (message,) = warnings_of(*[Snapshot("s:1", (), 20)] * 3)
    assert "20 tasks wait, 0 workers are connected" in message


def test_nothing_to_do_is_nothing_to_say() -> None:
    assert warnings_of(*[Snapshot("s:1", (worker(cpu=0),), 0)] * 9) == []


def test_a_finding_is_reported_again_when_as_much_time_has_passed() -> None:
    assert len(warnings_of(*[Snapshot("s:1", (), 1)] * 9)) == 4, "after 10, 20, 30 and 40 minutes"


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pytest.mark.slow
def test_a_galaxy_that_hangs_is_restarted_once_and_then_set_aside(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(
        'kind = "local"\nworkers = 2\nmemory_limit = "1GiB"\nmetrics_targets = "targets.json"\n'
        '[watch]\nevery_s = 0.5\nstalled_s = 2\naction = "restart"\n'
    )
    messages: list[str] = []
    settings = EngineSettings(cluster=str(tmp_path / "cluster.toml"))
    with LazyCluster(settings, warn=messages.append) as cluster:
        tasks = [Task("NGC 1", 1000.0), *(Task(f"SIM-{i}", 0.1) for i in range(5))]
        outcomes = {o.task.name: o for o in run_tasks(cluster.client, sleep, tasks, window=4)}
    assert isinstance(outcomes.pop("NGC 1").error, ResourceError)
    assert all(outcome.result == 0.1 for outcome in outcomes.values())
    stalled = [message for message in messages if "a worker is stalled" in message]
    assert len(stalled) == 2
    assert all("NGC 1 for 0 min" in message for message in stalled)
    scheduler, workers = json.loads((tmp_path / "targets.json").read_text())
    assert len(scheduler["targets"]) == 1
    assert len(workers["targets"]) == 2
