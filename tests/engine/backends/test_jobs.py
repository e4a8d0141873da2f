"""Jobs of SLURM without SLURM: what is asked of it, and when a job is sent again.

Its commands are replaced by scripts. The real one is met in `tests/deploy/test_slurm.py`.
"""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from survey.engine.backends.jobs import JobKeeper
from survey.engine.backends.slurm import SlurmSettings
from survey.engine.cluster_file import build_cluster
from survey.errors import ConfigError


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a shell script in the place of a command."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., SlurmSettings]:
    def build(**values: Any) -> SlurmSettings:
        given = {"memory_limit": "4GiB", "walltime": "02:00:00", "host": "127.0.0.1"} | values
        built = build_cluster({"kind": "slurm", **given}, folder=tmp_path)
        assert isinstance(built, SlurmSettings)
        return built

    return build


@contextmanager
def script_of(settings: SlurmSettings) -> Iterator[list[str]]:
    with settings._cluster() as cluster:
        yield cluster.job_script().splitlines()


def test_a_job_asks_for_what_its_workers_need(command, settings) -> None:
    command("sbatch", "exit 0")
    command("squeue", "exit 0")
    messages = settings(
        workers=4, threads=2, queue="long", account="ifs", resources={"gpu": 1},
        directives=["--constraint=avx2"], prologue=["source /shared/venv/bin/activate"],
        scratch="/scratch", python="/shared/venv/bin/python",
    )  # fmt: skip
    with script_of(messages) as lines:
        start = next(line for line in lines if "dask_worker" in line)
    for line in (
        "#SBATCH -p long", "#SBATCH -A ifs", "#SBATCH --cpus-per-task=8", "#SBATCH -t 02:00:00",
        "#SBATCH --mem=17408M", "#SBATCH --constraint=avx2", "source /shared/venv/bin/activate",
        "export OMP_NUM_THREADS=1", "export OPENBLAS_NUM_THREADS=1", "export MKL_NUM_THREADS=1",
        "export DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON="
        """'{'"'"'MALLOC_TRIM_THRESHOLD_'"'"': None, '"'"'MALLOC_ARENA_MAX'"'"': 1}'""",
    ):  # fmt: skip
        assert line in lines, line
    for words in (
        "/shared/venv/bin/python -m distributed.cli.dask_worker tls://127.0.0.1:",
        "--nthreads 2", "--nworkers 4", "--memory-limit 4.00GiB", "--local-directory /scratch",
        "--lifetime 6600s --lifetime-stagger 300s", "--preload survey.engine.worker_preload",
        '--resources "gpu=1"', "--tls-ca-file", "--nanny",
    ):  # fmt: skip
        assert words in start, words


def test_certificates_of_a_run_are_for_its_owner_and_end_with_it(
    command, settings, tmp_path
) -> None:
    command("sbatch", "exit 0")
    command("squeue", "exit 0")
    with script_of(settings()):
        made = list((tmp_path / "slurm-logs").glob(".dask-jobqueue*"))
        assert len(made) == 3
        assert all(file.stat().st_mode & 0o077 == 0 for file in made)
    assert not list((tmp_path / "slurm-logs").glob(".dask-jobqueue*"))


def test_without_certificates_the_nodes_have_to_be_trusted(settings) -> None:
    for host in ("192.0.2.1", None):
        plain = settings(host=host, tls="off")
        with pytest.raises(ConfigError, match="trust_everyone"), plain.open(print):
            pass


def test_a_machine_without_slurm_says_so(settings, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="no sbatch on this machine"), settings().open(print):
        pass


class Queue:
    """A cluster whose jobs can be ended, as the keeper sees it."""

    def __init__(self, command: Callable[[str, str], None], jobs: int = 2) -> None:
        self.command = command
        self.submitted = 0
        self.running: set[str] = set()
        self.workers: dict[str, Any] = {}
        self.worker_spec: dict[str, Any] = {f"job-{number}": {} for number in range(jobs)}
        self.scheduler = SimpleNamespace(workers={})
        self.loop = SimpleNamespace(add_callback=lambda function, *args: function(*args))
        self.closed = False
        self.scale(jobs=jobs)

    def scale(self, jobs: int) -> None:
        assert jobs == len(self.worker_spec)
        for name in sorted(set(self.worker_spec) - set(self.workers)):
            self.submitted += 1
            self.workers[name] = SimpleNamespace(job_id=str(self.submitted))
            self.running.add(str(self.submitted))
        self._tell()

    def end(self, *jobs: str) -> None:
        self.running -= set(jobs)
        self._tell()

    def arrive(self, *names: str) -> None:
        here = {f"tcp://{name}": SimpleNamespace(name=name) for name in names}
        self.scheduler.workers = here

    def close(self) -> None:
        self.closed = True

    def _tell(self) -> None:
        self.command("squeue", "\n".join(f"echo {job}" for job in self.running) or "true")


def keeper_of(queue: Queue, folder: Path) -> tuple[JobKeeper, list[str]]:
    messages: list[str] = []
    return JobKeeper(queue, folder, messages.append), messages


def test_jobs_that_are_in_the_queue_are_left_alone(command, tmp_path) -> None:
    queue = Queue(command)
    keeper, messages = keeper_of(queue, tmp_path)
    for _ in range(5):
        keeper.look()
    assert (queue.submitted, messages) == (2, [])


def test_a_job_that_is_over_is_replaced_under_another_name(command, tmp_path) -> None:
    queue = Queue(command)
    keeper, messages = keeper_of(queue, tmp_path)
    queue.arrive("job-0-0", "job-0-1", "job-1-0", "job-1-1")
    keeper.look()
    queue.end("1")
    queue.arrive("job-1-0", "job-1-1")
    keeper.look()
    assert queue.submitted == 2, "the queue may lag behind: it has to be gone twice"
    keeper.look()
    assert queue.submitted == 3
    assert {"job-0.1", "job-1"} == set(queue.worker_spec) == set(queue.workers)
    assert messages == []


def test_a_job_that_was_never_a_worker_is_told_of_with_its_log(command, tmp_path) -> None:
    (tmp_path / "survey-1.err").write_text("slurmstepd: error\nModuleNotFoundError: survey\n")
    queue = Queue(command)
    keeper, messages = keeper_of(queue, tmp_path)
    queue.end("1")
    keeper.look()
    keeper.look()
    (message,) = messages
    assert "job 1 ended before a worker joined; the end of" in message
    assert message.endswith("ModuleNotFoundError: survey")


def test_jobs_that_all_end_without_a_worker_are_given_up(command, tmp_path) -> None:
    queue = Queue(command)
    keeper, messages = keeper_of(queue, tmp_path)
    for _ in range(20):
        queue.end(*queue.running)
        keeper.look()
        if queue.closed:
            break
    assert queue.closed
    assert queue.submitted == 4, "twice each"
    assert "no more are submitted" in messages[-1]


def test_one_bad_node_does_not_end_a_run(command, tmp_path) -> None:
    queue = Queue(command, jobs=3)
    keeper, _ = keeper_of(queue, tmp_path)
    queue.arrive("job-0")
    for _ in range(30):
        queue.end(*(job.job_id for name, job in queue.workers.items() if name != "job-0"))
        keeper.look()
    assert not queue.closed


def python_of_job(lines: list[str], path: str) -> tuple[str, str]:
    """Which interpreter a job runs where `path` is the PATH, and what it says about it."""
    first = next(n for n, line in enumerate(lines) if line.startswith("SURVEY_PYTHON="))
    last = lines.index("fi", first)
    script = "\n".join([*lines[first : last + 1], 'echo "$SURVEY_PYTHON"'])
    done = subprocess.run(
        ["/bin/bash", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip(), done.stderr.strip()


def test_a_job_runs_the_python_that_its_prologue_activates_or_says_that_it_does_not(
    command, settings, tmp_path
) -> None:
    for name in ("sbatch", "squeue"):
        command(name, "exit 0")
    with script_of(settings(prologue=["source /shared/venv/bin/activate"])) as lines:
        start = next(line for line in lines if "dask_worker" in line)
        assert start.startswith('"$SURVEY_PYTHON" -m')
        activated = lines.index("source /shared/venv/bin/activate")
        assert activated < lines.index("fi") < lines.index(start)
        command("python", "exit 0")  # It has the package.
        bin_folder = str(tmp_path / "bin")
        assert python_of_job(lines, bin_folder) == (f"{bin_folder}/python", "")
        command("python", "exit 1")
        python, said = python_of_job(lines, bin_folder)
        assert python == sys.executable
        assert f"no Python with spaxel-survey ({bin_folder}/python)" in said
        assert python_of_job(lines, str(tmp_path))[0] == sys.executable
    with script_of(settings()) as lines:
        start = next(line for line in lines if "dask_worker" in line)
        assert start.startswith(f"{sys.executable} -m")


def test_the_scheduler_takes_the_first_free_port_of_its_range(command, settings) -> None:
    for name in ("sbatch", "squeue"):
        command(name, "exit 0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with settings(scheduler_ports=f"{port}-{min(port + 20, 65535)}")._cluster() as cluster:
            found = int(cluster.scheduler_address.rpartition(":")[2])
            assert port < found <= port + 20
        with pytest.raises(ConfigError, match="no port is free for the scheduler"):
            settings(scheduler_ports=str(port))._cluster()
    with pytest.raises(ConfigError, match="neither a port nor a range"):
        settings(scheduler_ports="8799-8786")
