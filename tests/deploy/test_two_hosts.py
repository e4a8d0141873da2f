"""A survey on two hosts that do not see the same files. See `make test-cluster`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from catalogs import open_catalog
from survey.simulate import simulate_archive
from tests.deploy.conftest import ROOT, SURVEY
from tests.deploy.two_hosts import Host, two_hosts, why_not

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]

N_GALAXIES = 8
START_S = 120.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
PORT = "8786"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    simulate_archive(folder, N_GALAXIES, size=(10, 10), window=(12.5, 13.1), seed=2)
    return folder


@contextmanager
def on(host: Host, words: list[object], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process on a host, terminated at the end."""
    with log.open("w") as out:
        process = subprocess.Popen(host.command(words), env=ENVIRONMENT, stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


class Cluster:
    """A scheduler on the first host, and workers on both, started by hand."""

    def __init__(self, stack: ExitStack, hosts: tuple[Host, Host], logs: Path) -> None:
        self.stack, self.hosts, self.logs = stack, hosts, logs
        self.address = f"tcp://{hosts[0].address}:{PORT}"
        self._start(hosts[0], ["scheduler", "--port", PORT], "scheduler", "Scheduler at")

    def worker(self, name: str, host: Host) -> None:
        words = ["worker", self.address, "--name", name, "--nthreads", 1, "--memory-limit", "1GiB"]
        words += ["--no-nanny", "--local-directory", self.logs, "--no-dashboard"]
        words += ["--preload", "survey.engine.worker_preload"]
        self._start(host, words, name, "Registered to")

    def survey(self, archive: Path, run: Path) -> subprocess.CompletedProcess[str]:
        words = [*SURVEY, "run", archive / "survey.toml", "--scheduler", self.address]
        words += ["--insecure", "--out", run, "--no-figures", "--json"]
        return subprocess.run(
            self.hosts[0].command(words),
            env=ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def _start(self, host: Host, words: list[object], name: str, said: str) -> None:
        more = ["--host", host.address]
        log = self.logs / f"{name}.log"
        command: list[object] = [sys.executable, "-m", "dask", *words, *more]
        process = self.stack.enter_context(on(host, command, log))
        deadline = time.monotonic() + START_S
        while said not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(stack, stack.enter_context(two_hosts()), tmp_path)


def test_a_host_without_the_mounts_takes_no_galaxy_down(cluster, archive, tmp_path) -> None:
    """Neither the one that misses the run directory nor the one that misses the cubes."""
    run = tmp_path / "run"
    run.mkdir()
    first, second = cluster.hosts
    cluster.worker("good", first)
    cluster.worker("no-run", second.without(run))
    cluster.worker("no-cubes", second.without(archive))
    done = cluster.survey(archive, run)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["computed"], counts["quarantined"]) == (N_GALAXIES, 0)
    said = " ".join(done.stderr.split())
    assert (
        f"worker no-run on node2 gets no galaxies: it does not see the run directory {run}" in said
    )
    assert "worker no-cubes on node2 gets no galaxies: it cannot read" in said
    assert len(open_catalog(run).galaxies) == N_GALAXIES


def test_if_no_host_has_the_mounts_nothing_starts_and_it_is_said_what_to_do(
    cluster, archive, tmp_path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    cluster.worker("no-run", cluster.hosts[1].without(run))
    done = cluster.survey(archive, run)
    assert done.returncode == 2, done.stderr
    said = " ".join(done.stderr.split())
    assert "no worker can work on this survey" in said
    assert "worker no-run on" in said
    assert "Mount the folders on the machines of the workers" in said
