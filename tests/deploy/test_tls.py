"""A survey over encrypted connections, with certificates made as our pages say."""

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from survey.config import EngineSettings
from survey.engine.cluster import connect
from survey.errors import ConfigError
from survey.simulate import simulate_archive
from tests.deploy.conftest import ROOT, SURVEY
from tests.engine.by_hand import dask_scheduler, dask_worker

FILES = {"ca-file": "ca.pem", "cert": "survey.pem", "key": "survey.key"}

CLUSTER = """
kind = "existing"
address = "{address}"
workers = 1
connect_timeout_s = 5

[tls]
ca = "ca.pem"
certificate = "survey.pem"
key = "survey.key"
"""


def make_certificates(folder: Path) -> Path:
    script = ROOT / "deploy" / "tls" / "make-certificates.sh"
    subprocess.run(["sh", script, folder], check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_only_those_who_have_the_certificate_get_in_and_run_a_survey(tmp_path: Path) -> None:
    simulate_archive(tmp_path / "cubes", 1, size=(10, 10), window=(12.5, 13.1), seed=2)
    mine, others = make_certificates(tmp_path / "mine"), make_certificates(tmp_path / "others")
    tls = [word for key, file in FILES.items() for word in (f"--tls-{key}", mine / file)]
    with ExitStack() as stack:
        address = stack.enter_context(dask_scheduler(tmp_path, "--protocol", "tls", *tls))
        stack.enter_context(dask_worker(address, tmp_path, "--no-nanny", "--protocol", "tls", *tls))
        assert address.startswith("tls://127.0.0.1:")
        for folder in (mine, others):
            (folder / "cluster.toml").write_text(CLUSTER.format(address=address))

        with (
            pytest.raises(ConfigError, match="no Dask scheduler answers"),
            connect(EngineSettings(cluster=str(others / "cluster.toml"))),
        ):
            pass

        arguments = ["run", tmp_path / "cubes" / "survey.toml", "--json", "--no-figures"]
        done = subprocess.run(
            [*SURVEY, *map(str, arguments), "--cluster", str(mine / "cluster.toml")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["computed"] == 1


def test_the_key_is_for_nobody_else_and_the_authority_is_not_kept(tmp_path: Path) -> None:
    folder = make_certificates(tmp_path / "made")
    assert {file.name for file in folder.iterdir()} == set(FILES.values())
    assert (folder / "survey.key").stat().st_mode & 0o077 == 0
