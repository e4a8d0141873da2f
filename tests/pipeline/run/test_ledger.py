"""Where a run stands, also when it ended without a word."""

import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from survey.errors import ConfigError
from survey.pipeline.galaxy.task import GalaxyReport
from survey.pipeline.run.ledger import Ledger, read_status
from survey.pipeline.run.lock import PATIENCE_S, exclusive

RUN = """
import sys, time
from pathlib import Path
from survey.pipeline.run.ledger import Ledger
from survey.pipeline.run.lock import exclusive
from survey.pipeline.galaxy.task import GalaxyReport
root = Path(sys.argv[1])
with exclusive(root):
    ledger = Ledger(root)
    ledger.begin(3)
    ledger.galaxy(GalaxyReport("NGC 1", 1.0, computed=("linkage",)))
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of three galaxies, one of which is done."""
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def test_a_run_that_goes_on_is_running(tmp_path, process):
    status = read_status(tmp_path)
    assert (status.state, status.n_done, status.n_galaxies) == ("running", 1, 3)


def test_a_run_killed_without_warning_is_interrupted(tmp_path, process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.1)
    status = read_status(tmp_path)
    assert (status.state, status.n_done) == ("interrupted", 1)
    assert status.elapsed_s < 0.1, "time has not gone on for it"


def test_looking_does_not_keep_a_run_from_starting(tmp_path):
    with exclusive(tmp_path):
        Ledger(tmp_path).begin(1)
    with (tmp_path / ".lock").open("rb") as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        with pytest.raises(ConfigError, match="another survey"), exclusive(tmp_path):
            pass
    start = time.monotonic()
    assert read_status(tmp_path).state == "interrupted"
    with exclusive(tmp_path):
        assert time.monotonic() - start < PATIENCE_S


def test_where_files_cannot_be_locked_nothing_is_claimed(tmp_path, monkeypatch):
    Ledger(tmp_path).begin(1)
    (tmp_path / ".lock").touch()

    def unsupported(*args):
        raise OSError("locks are not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert read_status(tmp_path).state == "running, or killed"


def test_the_last_line_of_a_killed_run_may_be_half_written(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin(2)
    ledger.galaxy(GalaxyReport("NGC 1", 1.0))
    with ledger.path.open("a") as file:
        file.write('{"event": "gal')
    status = read_status(tmp_path)
    assert (status.n_done, status.state) == (1, "interrupted")
