"""A cluster file says where a survey runs; mistakes in it get an example that works."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.cli.app import engine_overrides
from survey.config import EngineSettings
from survey.engine.backends import KINDS
from survey.engine.backends.existing import ExistingSettings
from survey.engine.backends.kubernetes import OPERATOR_VARIABLE
from survey.engine.backends.local import LocalSettings
from survey.engine.backends.slurm import SlurmSettings, walltime_s
from survey.engine.cluster import LazyCluster
from survey.engine.cluster_file import build_cluster, cluster_of, load_cluster
from survey.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where the files are that examples speak of."""
    for name in ("ca.pem", "survey.pem", "survey.key"):
        (tmp_path / name).touch()
    monkeypatch.setenv(OPERATOR_VARIABLE, "tcp://survey-scheduler:8786")
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_every_kind_works(kind: str, folder: Path) -> None:
    (folder / "cluster.toml").write_text(KINDS[kind].EXAMPLE)
    assert isinstance(load_cluster(folder / "cluster.toml"), KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_mistake_is_told_with_the_example_of_its_kind(kind: str, folder: Path) -> None:
    values = tomllib.loads(KINDS[kind].EXAMPLE) | {"worker": 3}
    with pytest.raises(ConfigError, match="worker: Extra inputs") as caught:
        build_cluster(values, source="cluster.toml", folder=folder)
    assert KINDS[kind].EXAMPLE in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workers = 2", "unknown kind of cluster"),
        ('kind = "cloud"', "'local' or 'existing' or 'ssh' or 'slurm' or 'kubernetes'"),
        ("kind = [1]", "unknown kind of cluster"),
        ("kind = ", "not a TOML file"),
        ('kind = "local"\nworkers = -1', "workers: .*greater than or equal to 0"),
        ('kind = "local"\nmemory_limit = "much"', "'much' is not a memory size"),
        ('kind = "local"\nmemory_limit = "1MB"', "less than a worker itself takes: 256MiB"),
        ('kind = "local"\nmemory_limit = "-1GB"', "less than a worker itself takes"),
        ('kind = "local"\nworkers = 1000000000', "more than this machine can run"),
        ('kind = "local"\ngrace_s = inf', "grace_s: .*finite"),
        ('kind = "existing"', "address: Field required"),
        ('kind = "existing"\naddress = "head-node"', "address: .*scheme"),
        ('kind = "existing"\naddress = "tcp://head-node"', "missing port"),
        ('kind = "slurm"\nwalltime = "1h"\nmemory_limit = "1GiB"', "'1h' is not a walltime"),
        ('kind = "slurm"\nwalltime = "60"\nmemory_limit = "auto"', "needs a memory limit"),
        ('kind = "ssh"\nhosts = []', "hosts"),
        ('kind = "kubernetes"\naddress = ""', "is this the runner of a DaskJob"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_cluster(file)
    assert "cluster.toml" in str(caught.value)


@pytest.mark.parametrize("limit", ["auto", "0", "0.5", "256MiB"])
def test_limits_that_dask_understands_are_kept(limit: str) -> None:
    assert cluster_of(EngineSettings(memory_limit=limit)).memory_limit == limit  # type: ignore[attr-defined]


@pytest.mark.parametrize("values", [{"workers": 10**9}, {"memory_limit": "1MB"}])
def test_workers_that_cannot_be_are_refused_before_anything_is_done(
    values: dict[str, Any],
) -> None:
    with pytest.raises(ConfigError):
        LazyCluster(EngineSettings(**values))


def test_files_are_beside_the_cluster_file_and_have_to_be_there(folder: Path) -> None:
    (folder / "cluster.toml").write_text(ExistingSettings.EXAMPLE)
    settings = load_cluster(folder / "cluster.toml")
    assert isinstance(settings, ExistingSettings)
    assert settings.tls is not None
    assert settings.tls.key == folder / "survey.key"
    (folder / "survey.key").unlink()
    with pytest.raises(ConfigError, match=r"tls.key: .*no such file: .*survey\.key"):
        load_cluster(folder / "cluster.toml")


def test_without_a_file_the_settings_of_the_engine_say_it() -> None:
    local = cluster_of(EngineSettings(workers=3, threads_per_worker=2, memory_limit="1GiB"))
    assert isinstance(local, LocalSettings)
    assert (local.workers, local.threads, local.memory_limit) == (3, 2, "1GiB")
    existing = cluster_of(EngineSettings(scheduler="tcp://127.0.0.1:8786"))
    assert isinstance(existing, ExistingSettings)
    assert existing.address == "tcp://127.0.0.1:8786"


def test_a_file_and_an_address_cannot_both_be_given() -> None:
    with pytest.raises(ConfigError, match="both a cluster file and a scheduler"):
        cluster_of(EngineSettings(scheduler="tcp://127.0.0.1:8786", cluster="x.toml"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 1800), ("02:30", 150), ("04:00:00", 14_400), ("1-12", 129_600),
        ("1-00:30", 88_200), ("2-01:02:03", 176_523),
    ],
)  # fmt: skip
def test_walltimes_are_read_as_slurm_reads_them(text: str, seconds: float) -> None:
    assert walltime_s(text) == seconds


@pytest.mark.parametrize("text", ["", "1h", "1:2:3:4", "1-", "-5", "1-2-3", "1:-2", " 30"])
def test_other_times_are_no_walltimes(text: str) -> None:
    with pytest.raises(ValueError, match="not a walltime"):
        walltime_s(text)


@given(minutes=st.integers(2, 10_000))
def test_workers_stop_before_their_job_is_killed(minutes: int) -> None:
    settings = SlurmSettings(walltime=str(minutes), memory_limit="1GiB")
    lifetime_s, stagger_s = settings.lifetime_s
    assert minutes * 30 <= lifetime_s < lifetime_s + stagger_s < minutes * 60


@pytest.mark.parametrize("kind", KINDS)
def test_insecure_reaches_every_kind_but_discards_no_certificates(kind: str, folder: Path) -> None:
    file = folder / "cluster.toml"
    file.write_text(KINDS[kind].EXAMPLE.replace("trust_everyone_on_the_network = true", ""))
    secure = load_cluster(file)
    insecure = LazyCluster(EngineSettings(cluster=str(file), insecure=True)).settings
    assert LazyCluster(EngineSettings(cluster=str(file))).settings == secure
    if kind in ("local", "slurm"):
        assert (secure.tls, insecure.tls) == ("temporary", "off")
    if kind != "local":
        assert (secure.trust_everyone_on_the_network, insecure.trust_everyone_on_the_network) == (
            False,
            True,
        )
    if kind in ("existing", "ssh"):
        assert insecure.tls == secure.tls is not None


def test_the_command_line_says_insecure_only_when_asked() -> None:
    assert engine_overrides(2, None, None, insecure=True) == {"workers": 2, "insecure": True}
    assert engine_overrides(2, None, None) == {"workers": 2}
