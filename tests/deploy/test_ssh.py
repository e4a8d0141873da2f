"""Workers over SSH, on this machine. See `make test-cluster`."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from catalogs import open_catalog
from survey.config import EngineSettings
from survey.engine.cluster import connect, slots
from survey.engine.worker_memory import MEMORY
from survey.errors import ConfigError
from tests.deploy.conftest import N_GALAXIES, ROOT, ended
from tests.deploy.ssh_machine import SshMachine, can_be_started, ssh_machine
from tests.deploy.test_tls import make_certificates

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not can_be_started(), reason="needs openssh-server, and root to start it"),
]

WORKERS = 'kind = "ssh"\nworkers = 2\nmemory_limit = "1GiB"\n'


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshMachine]:
    with ssh_machine(tmp_path_factory.mktemp("sshd"), ROOT) as machine:
        yield machine


def engine(folder: Path, text: str) -> EngineSettings:
    (folder / "ssh.toml").write_text(text)
    return EngineSettings(cluster=str(folder / "ssh.toml"))


def started_over_ssh() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if "distributed.cli.dask_spec" in (process.info["cmdline"] or []):
            found.append(process)
    return found


def test_scheduler_and_workers_run_behind_ssh_as_configured(machine, tmp_path) -> None:
    def facts() -> tuple[str | None, int]:
        return os.environ.get("OMP_NUM_THREADS"), os.getpid()

    with connect(engine(tmp_path, WORKERS + machine.settings)) as client:
        found = client.run(facts)
        assert len(found) == slots(client) == 2
        assert {threads for threads, _ in found.values()} == {"1"}
        assert client.run_on_scheduler(os.getpid) != os.getpid()
        assert client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.allowed_failures) == 0
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        assert [worker["resources"][MEMORY] for worker in workers] == [2**30, 2**30]
        listening = {
            connection.laddr.ip
            for server in started_over_ssh()
            for process in [server, *server.children(recursive=True)]
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
    deadline = time.monotonic() + 20
    while started_over_ssh():
        assert time.monotonic() < deadline, "nothing is left behind"
        time.sleep(0.2)


def test_an_encrypted_survey_runs_over_ssh(start, machine, tmp_path) -> None:
    make_certificates(tmp_path)
    tls = '[tls]\nca = "ca.pem"\ncertificate = "survey.pem"\nkey = "survey.key"\n'
    with ended(start(WORKERS + machine.settings + tls)) as process:
        said = process.stderr.read()
        assert process.wait() == 0, said
    assert len(open_catalog(tmp_path / "run").galaxies) == N_GALAXIES


def test_a_host_that_lets_nobody_in_is_a_settings_error(machine, tmp_path) -> None:
    text = WORKERS + machine.settings.replace(f'keys = ["{machine.key}"]', "")
    with (
        pytest.raises(ConfigError, match=r"no cluster could be started over SSH on 127\.0\.0\.1"),
        connect(engine(tmp_path, text)),
    ):
        pass


def test_an_interpreter_without_the_survey_is_a_settings_error(machine, tmp_path) -> None:
    text = WORKERS + 'python = "/usr/bin/python3"\n' + machine.settings
    with pytest.raises(ConfigError, match="import survey"), connect(engine(tmp_path, text)):
        pass
