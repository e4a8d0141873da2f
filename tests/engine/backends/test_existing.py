"""Schedulers and workers that somebody started by hand, in plain and with TLS."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

from survey.config import EngineSettings
from survey.engine.backends.kubernetes import OPERATOR_VARIABLE
from survey.engine.backends.security import is_loopback
from survey.engine.cluster import LazyCluster, connect
from survey.engine.worker_memory import MEMORY
from survey.errors import ConfigError, InfrastructureError
from tests.engine.by_hand import ROOT, dask_scheduler, dask_worker, memory_limits

OURS = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A plain scheduler with one worker, as our pages say to start them."""
    folder = tmp_path_factory.mktemp("plain")
    with (
        dask_scheduler(folder, **OURS) as address,
        dask_worker(address, folder, "--preload", "survey.engine.worker_preload"),
    ):
        yield address


def cluster_file(folder: Path, text: str) -> EngineSettings:
    (folder / "cluster.toml").write_text(text)
    return EngineSettings(cluster=str(folder / "cluster.toml"))


def other_versions(folder: Path) -> dict[str, str]:
    """An environment in which fastcluster says that it is another version."""
    about = folder / "elsewhere" / "fastcluster-0.0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fastcluster\nVersion: 0.0.1\n")
    return {"PYTHONPATH": f"{about.parent}:{ROOT}"}


def test_a_worker_that_was_started_by_hand_does_the_work(address: str, tmp_path: Path) -> None:
    messages: list[str] = []
    settings = cluster_file(tmp_path, f'kind = "existing"\naddress = "{address}"\nworkers = 1\n')
    with LazyCluster(settings, warn=messages.append) as cluster:
        assert cluster.client.submit(sum, [1, 2], resources={MEMORY: 2**30}).result(30) == 3
        assert memory_limits(cluster.client) == {2**30}
    assert len(messages) == 1
    assert "every user of this machine can run any code as you" in messages[0]
    with Client(address) as client:
        assert len(client.nthreads()) == 1, "leaving must not stop a cluster that is not ours"


def test_workers_that_do_not_come_are_nobodys_fault(address: str, tmp_path: Path) -> None:
    text = f'kind = "existing"\naddress = "{address}"\nworkers = 2\nwait_s = 0.5\n'
    with (
        pytest.raises(InfrastructureError, match=r"too few workers .* expected 2; found 1"),
        connect(cluster_file(tmp_path, text)),
    ):
        pass


def test_the_runner_of_a_daskjob_finds_its_scheduler(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OPERATOR_VARIABLE, address)
    with connect(cluster_file(tmp_path, 'kind = "kubernetes"\nworkers = 1\n')) as client:
        assert client.scheduler.address == address


@pytest.mark.parametrize("host", ["192.0.2.1", "node.invalid", "0.0.0.0"])
def test_a_plain_connection_to_another_machine_is_refused(host: str) -> None:
    assert not is_loopback(host)
    with (
        pytest.raises(ConfigError, match=r"would not be encrypted.*trust_everyone") as caught,
        connect(EngineSettings(scheduler=f"tcp://{host}:8786")),
    ):
        pass
    assert "anyone who can reach the scheduler or a worker can run any code" in str(caught.value)
    assert "`survey cluster certificates DIR`" in str(caught.value)
    assert "--insecure" in str(caught.value)


@pytest.mark.parametrize("word", ["the file", "the command"])
def test_it_is_tried_where_everyone_is_trusted(word: str, tmp_path: Path) -> None:
    text = 'kind = "existing"\naddress = "tcp://node.invalid:1"\nconnect_timeout_s = 1\n'
    if word == "the file":
        text += "trust_everyone_on_the_network = true\n"
    settings = cluster_file(tmp_path, text)
    settings = settings.model_copy(update={"insecure": word == "the command"})
    with pytest.raises(ConfigError, match="no Dask scheduler answers"), connect(settings):
        pass


def test_who_says_insecure_is_not_warned_of_a_plain_scheduler_on_this_machine(address: str) -> None:
    messages: list[str] = []
    settings = EngineSettings(scheduler=address, insecure=True)
    with LazyCluster(settings, warn=messages.append) as cluster:
        assert cluster.client.submit(sum, [1, 2]).result(30) == 3
    assert messages == []


def test_tls_without_certificates_names_the_command_that_makes_them(address: str) -> None:
    tls = address.replace("tcp://", "tls://")
    with (
        pytest.raises(ConfigError, match=r"tls:// needs .*`survey cluster certificates DIR`"),
        connect(EngineSettings(scheduler=tls)),
    ):
        pass


def test_a_scheduler_with_other_software_or_settings_is_told_of(tmp_path: Path) -> None:
    messages: list[str] = []
    other = other_versions(tmp_path)
    with (
        dask_scheduler(tmp_path, **other) as address,
        LazyCluster(EngineSettings(scheduler=address), warn=messages.append) as cluster,
        pytest.raises(ConfigError, match=r"the scheduler: fastcluster 0\.0\.1 instead of"),
    ):
        assert cluster.client is None, "it is never there"
    assert "a galaxy that kills its worker will kill 4" in messages[1]
    assert "ALLOWED_FAILURES=0" in messages[1]


def test_a_worker_with_other_software_is_refused_at_start_and_later(
    address: str, tmp_path: Path
) -> None:
    messages: list[str] = []
    settings = cluster_file(tmp_path, f'kind = "existing"\naddress = "{address}"\nworkers = 1')
    other = other_versions(tmp_path)
    with LazyCluster(settings, warn=messages.append) as cluster:
        (good,) = cluster.client.nthreads()
        with dask_worker(address, tmp_path, "--no-nanny", name="late", **other) as late:
            assert late.wait(60) == 0
        assert list(cluster.client.nthreads()) == [good]
    assert "was refused: fastcluster 0.0.1 instead of" in messages[1]
    assert len(messages) == 2, "the other is of the plain connection"
    with dask_worker(address, tmp_path, "--no-nanny", name="early", **other), Client(address) as c:
        c.wait_for_workers(2, timeout=60)
        with pytest.raises(ConfigError, match=r"tcp://.*: fastcluster 0\.0\.1"), connect(settings):
            pass
