"""SLURM itself: jobs are submitted, cancelled, outlive their time. See `make test-cluster`."""

import os
import re
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from catalogs import open_catalog
from survey.config import EngineSettings
from survey.engine.cluster import connect, slots
from survey.engine.submit import Task, run_tasks
from survey.engine.worker_memory import MEMORY
from survey.pipeline.run.ledger import LEDGER, read_entries
from survey.pipeline.run.status import ended_in
from tests.deploy.conftest import N_GALAXIES, ended
from tests.deploy.slurm_machine import SlurmMachine, missing_programs, slurm_machine

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="slurmd has to be started by root"),
    pytest.mark.skipif(bool(missing_programs()), reason=f"no {missing_programs()} here"),
]

JOBS = """
kind = "slurm"
jobs = 2
workers = 1
memory_limit = "1GiB"
walltime = "00:10:00"
host = "127.0.0.1"
keep_every_s = 2
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[SlurmMachine]:
    with slurm_machine() as machine:
        yield machine


@pytest.fixture(autouse=True)
def _commands_find_it(machine: SlurmMachine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SLURM_CONF", machine.environment["SLURM_CONF"])
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    yield
    deadline = time.monotonic() + 30
    while machine.jobs("PENDING,RUNNING,COMPLETING"):
        assert time.monotonic() < deadline, "jobs were left behind"
        time.sleep(0.5)


def engine(folder: Path, text: str) -> EngineSettings:
    (folder / "slurm.toml").write_text(text)
    return EngineSettings(cluster=str(folder / "slurm.toml"))


def n_ended(run: Path) -> int:
    """How many galaxies have ended in a run that is under way."""
    return len(ended_in(read_entries(run / LEDGER)[0])) if (run / LEDGER).exists() else 0


def test_workers_are_jobs_with_one_thread_and_talk_encrypted(tmp_path: Path) -> None:
    def facts() -> tuple[str | None, str | None, str | None]:
        names = ("SLURM_JOB_ID", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        return tuple(os.environ.get(name) for name in names)

    with connect(engine(tmp_path, JOBS)) as client:
        assert slots(client) == 2, "those that are to come count"
        client.wait_for_workers(2, timeout=60)
        found = client.run(facts)
        assert len({job for job, *_ in found.values()}) == 2
        assert {threads for _, *threads_of in found.values() for threads in threads_of} == {"1"}
        assert all(address.startswith("tls://127.0.0.1:") for address in found)
        assert client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.allowed_failures) == 0


def test_a_large_job_stands_beside_the_others_and_says_what_memory_it_has(tmp_path: Path) -> None:
    large = JOBS.replace("jobs = 2", "jobs = 1") + '[large]\nmemory_limit = "3GiB"\n'
    with connect(engine(tmp_path, large)) as client:
        client.wait_for_workers(2, timeout=60)
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        assert sorted(worker["resources"][MEMORY] for worker in workers) == [2**30, 3 * 2**30]
        assert client.submit(sum, [1, 2], resources={MEMORY: 2 * 2**30}).result(30) == 3


def test_a_survey_survives_the_cancelling_of_a_job(start, machine: SlurmMachine, tmp_path) -> None:
    jobs: set[str] = set()
    with ended(start(JOBS)) as process:
        cancelled = ""
        while process.poll() is None:
            running = machine.jobs()
            jobs |= set(running)
            if not cancelled and n_ended(tmp_path / "run") >= 3:
                cancelled = running[0]
                machine.call("scancel", cancelled)
            time.sleep(0.2)
        assert process.returncode == 0
    assert cancelled
    assert len(jobs) == 3, "a third job took the place of the one that was cancelled"
    assert len(open_catalog(tmp_path / "run").galaxies) == N_GALAXIES


def test_jobs_whose_time_is_over_are_replaced_and_no_task_is_lost(
    machine: SlurmMachine, tmp_path: Path
) -> None:
    jobs: set[str] = set()

    def tasks() -> Iterator[Task]:
        for number in count():
            jobs.update(machine.jobs())
            if len(jobs) >= 4:
                return
            yield Task(str(number), 0.5)

    settings = engine(tmp_path, JOBS + 'lifetime = "15s"\nstagger = "3s"\n')
    with connect(settings) as client:
        outcomes = list(run_tasks(client, time.sleep, tasks(), window=4))
    assert len(jobs) >= 4, "both were replaced"
    assert len(outcomes) == len({outcome.task.name for outcome in outcomes}) > 10
    assert all(outcome.error is None for outcome in outcomes)
    logs = "".join(log.read_text() for log in (tmp_path / "slurm-logs").glob("*.err"))
    assert "worker-lifetime-reached" in logs


def test_jobs_that_never_become_workers_are_not_sent_for_ever(start) -> None:
    with ended(start(JOBS + 'python = "/bin/false"\n')) as process:
        said = process.stderr.read()
        assert process.wait() == 75
    assert re.search(r"job \d+ ended before a worker joined", said)
    assert "no more are submitted" in said


def test_what_slurm_refuses_is_told_in_its_own_words(start) -> None:
    with ended(start(JOBS + 'queue = "nowhere"\n')) as process:
        said = process.stderr.read()
        assert process.wait() == 2
    assert "invalid partition" in said
    assert "#SBATCH -p nowhere" in said
    assert 'kind = "slurm"' in said, "an example"
