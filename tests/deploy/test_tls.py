"""A survey over encrypted connections, with certificates made as our pages say."""

import json
import subprocess
import tomllib
from contextlib import ExitStack
from pathlib import Path

import pytest

from survey.config import EngineSettings
from survey.engine.cluster import connect
from survey.errors import ConfigError
from survey.simulate import simulate_archive
from tests.deploy.conftest import SURVEY
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
    command = [*SURVEY, "cluster", "certificates", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
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


def test_what_the_command_prints_is_what_the_files_say(tmp_path: Path) -> None:
    folder = tmp_path / "it's mine"
    command = [*SURVEY, "cluster", "certificates", str(folder), "--days", "3"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = said.splitlines()
    script = (folder / "environment.sh").read_text()
    assert script in said
    variables = [line for line in script.splitlines() if "COMM__TLS" in line]
    assert len(variables) == 7, "the authority, and certificate and key of three roles"
    (source,) = [line for line in lines if line.startswith(". ")]
    echo = 'echo "$DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY"'
    shell = subprocess.run(
        ["sh", "-c", f"{source}\n{echo}"], check=True, capture_output=True, text=True
    )
    assert shell.stdout == f"{folder}/survey.key\n"
    table = tomllib.loads("\n".join(lines[lines.index("[tls]") :]))["tls"]
    names = {"ca": "ca.pem", "certificate": "survey.pem", "key": "survey.key"}
    assert table == {key: str(folder / name) for key, name in names.items()}
