"""Where a run stands, also when it ended without a word."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from survey.config import EngineSettings
from survey.engine.cluster import LazyCluster
from survey.errors import ConfigError
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyReport
from survey.pipeline.run.ledger import Ledger
from survey.pipeline.run.lock import exclusive
from survey.pipeline.run.prune import prune
from survey.pipeline.run.status import read_status
from survey.pipeline.run.survey import run_survey

RUN = """
import sys, time
from pathlib import Path
from survey.pipeline.run.ledger import Ledger
from survey.pipeline.run.lock import exclusive
from survey.pipeline.galaxy.target import Target
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
    status = read_status(tmp_path)
    assert (status.state, status.n_done) == ("interrupted", 1)
    assert status.elapsed_s < 0.1, "time has not gone on for it"


def test_the_last_line_of_a_killed_run_may_be_half_written(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin(2)
    ledger.galaxy(GalaxyReport("NGC 1", 1.0))
    with ledger.path.open("a") as file:
        file.write('{"event": "gal')
    status = read_status(tmp_path)
    assert (status.n_done, status.state) == (1, "interrupted")


def test_the_run_after_a_half_written_line_is_seen(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin(2)
    with ledger.path.open("a") as file:
        file.write('{"event": "gal')
    again = Ledger(tmp_path)
    again.begin(5)
    again.end("complete")
    status = read_status(tmp_path)
    assert (status.n_galaxies, status.state, status.notes) == (5, "complete", ())


@pytest.mark.parametrize("clock_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_during_a_run_does_not_change_how_long_it_took(
    tmp_path, set_clock, clock_s
):
    now = time.time()
    with exclusive(tmp_path):
        ledger = Ledger(tmp_path)
        ledger.begin(2)
        set_clock(now + clock_s)
        ledger.galaxy(GalaxyReport("NGC 1", 1.0))
        status = read_status(tmp_path)
        assert status.state == "running"
        assert 0.0 <= status.elapsed_s < 60.0
        assert 0.0 <= status.remaining_s < 60.0
        ledger.end("complete")
    assert read_status(tmp_path).elapsed_s < 60.0


BROKEN = {
    "empty": b"",
    "missing": None,
    "binary": bytes(range(256)) * 4,
    "zeros": bytes(4096),
    "no begin": b'{"event": "end", "time": 1.0, "outcome": "complete"}\n',
    "not objects": b'1\n[]\n"begin"\nnull\n',
    "begin of text": b'{"event": "begin", "galaxies": "many", "time": 1.0}\n',
    "without keys": b'{"event": "begin"}\n{"event": "galaxy"}\n{}\n',
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, targets, settings):
    """A run of two galaxies, one of them in quarantine."""
    root = tmp_path_factory.mktemp("finished")
    absent = Target("absent", (root / "absent.fits",), 0.01)
    with LazyCluster(EngineSettings(workers=0, dashboard=False)) as cluster:
        run_survey(root, [targets[0], absent], settings, cluster)
    return root


@pytest.mark.parametrize("ledger", BROKEN)
def test_without_a_ledger_galaxies_are_counted_by_their_parts(finished, ledger):
    content, path = BROKEN[ledger], Ledger(finished).path
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    status = read_status(finished)
    assert status.outcomes == {"finished": 1, "quarantined": 1}
    assert (status.n_galaxies, status.state) == (2, "unknown")
    assert "absent.fits" in status.failures["absent"]
    assert "counted by their parts" in status.notes[-1]
    with pytest.raises(ConfigError, match="is not complete; found unknown"):
        prune(finished)


def test_without_ledger_and_targets_the_parts_remain(finished, tmp_path):
    root = Path(shutil.copytree(finished, tmp_path / "run", symlinks=True))
    for name in ("targets.ecsv", "logs/ledger.jsonl", "catalog/quarantine.parquet"):
        (root / name).unlink(missing_ok=True)
    assert read_status(root).outcomes == {"finished": 1}


def test_a_line_that_cannot_be_read_is_counted(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin(3)
    with ledger.path.open("a") as file:
        file.write("\0" * 100 + "\n")
    ledger.galaxy(GalaxyReport("NGC 1", 1.0))
    status = read_status(tmp_path)
    assert (status.n_done, status.n_galaxies) == (1, 3)
    assert "1 of 3 lines cannot be read" in status.notes[0]


def test_a_directory_without_a_run_is_said_to_be_one(tmp_path):
    with pytest.raises(ConfigError, match="no survey has run"):
        read_status(tmp_path)
