"""Small surveys, run from the command line as on a real cluster."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from survey.simulate import simulate_archive

ROOT = Path(__file__).resolve().parents[2]
SURVEY = [sys.executable, "-c", "from survey.cli import main; main()"]
N_GALAXIES = 60


@pytest.fixture(scope="session")
def galaxies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated galaxies that take half a second each: work for as long as a job takes to come."""
    folder = tmp_path_factory.mktemp("galaxies")
    simulate_archive(folder, N_GALAXIES, size=(16, 16), window=(12.4, 13.2), seed=5, workers=2)
    return folder


@pytest.fixture
def start(galaxies: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts `survey run` of these galaxies in a folder of the test, with a cluster file."""

    def start(cluster: str, **environment: str) -> subprocess.Popen[str]:
        file = tmp_path / "cluster.toml"
        file.write_text(cluster)
        arguments = ["run", galaxies / "survey.toml", "--out", tmp_path / "run", "--no-figures"]
        return subprocess.Popen(
            [*SURVEY, *map(str, arguments), "--cluster", str(file)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is stopped if the block is left early."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
