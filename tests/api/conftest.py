"""A finished run of the command line, which the functions for notebooks are compared with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run(archive: Path) -> Path:
    """The run directory of two galaxies, one with a fixed number of clusters less."""
    arguments = ["run", str(archive / "survey.toml"), "--workers", "0", "--no-figures", "--json"]
    code = "import sys; from survey.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["computed"] == 2
    return archive / "run"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stages keep their results, so that tests do not repeat them."""
    return tmp_path_factory.mktemp("stages")
