"""Files that are not what they say cost their own galaxy, and nobody else anything."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from catalogs.verify import verify
from survey.config import Settings
from survey.pipeline.galaxy.peak_memory import peak_memory_bytes, reset_peak_memory
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyTask, process_galaxy
from survey.pipeline.run.schedule import projected_demand
from survey.pipeline.run.targets import targets_from_cubes, write_targets
from tests.pipeline.run.hostile_files import HOSTILE, write_hostile

MOST_BYTES = 300e6
MOST_S = 20.0
RUN = [sys.executable, "-c", "from survey.cli import main; main()", "run"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, targets) -> dict[str, Path]:
    return write_hostile(tmp_path_factory.mktemp("hostile"), Path(targets[0].files[0]))


@pytest.fixture(scope="module")
def run(tmp_path_factory, targets, hostile) -> tuple[Path, dict[str, int]]:
    """A real `survey run` over hostile files with good cubes between them."""
    folder = tmp_path_factory.mktemp("run")
    bad = [Target(name, (path,), 0.01) for name, path in hostile.items()]
    write_targets([*bad, *targets], folder / "targets.ecsv")
    (folder / "survey.toml").write_text(
        'targets = "targets.ecsv"\n[report]\nfigures = false\n[engine]\nworkers = 2\n'
        'dashboard = false\nmemory_limit = "2GiB"\n[cut]\ncriterion = "fixed"\nk = 3\n'
    )
    done = subprocess.run(
        [*RUN, str(folder / "survey.toml"), "--json"],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 64, done.stderr
    assert "Traceback" not in done.stderr
    return folder / "run", json.loads(done.stdout)


def test_good_galaxies_among_hostile_files_are_computed(run, targets):
    root, counts = run
    assert (counts["computed"], counts["quarantined"]) == (len(targets), len(HOSTILE))
    galaxies = pd.read_parquet(root / "catalog" / "galaxies.parquet")
    assert galaxies["galaxy"].tolist() == sorted(target.galaxy for target in targets)
    assert all(check.ok for check in verify(root))


@pytest.mark.parametrize("name", HOSTILE)
def test_each_hostile_file_has_one_row_that_says_what_it_is(run, hostile, name):
    rows = pd.read_parquet(run[0] / "catalog" / "quarantine.parquet")
    (row,) = rows[rows["galaxy"] == name].to_dict("records")
    assert row["error"] == "DataError", row["message"]
    assert row["stage"] in ("read", "prepare")
    assert str(hostile[name]) in row["message"]
    assert re.search(HOSTILE[name][2], row["message"]), row["message"]
    assert "; expected " in row["message"] or "; found " in row["message"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_little_memory_and_time(hostile, name, targets, tmp_path):
    projected_demand(targets[0], Settings())  # loads what it uses
    target = Target(name, (hostile[name],), 0.01)
    start = time.process_time()
    assert projected_demand(target, Settings()).memory_bytes < 1e9
    assert time.process_time() - start < 2, "the driver looks at all files before it begins"
    reset_peak_memory()
    before = _resident_bytes()
    report = process_galaxy(GalaxyTask(target, Settings(), tmp_path))
    assert report.outcome == "quarantined"
    assert peak_memory_bytes() - before < MOST_BYTES
    assert time.process_time() - start < MOST_S


def test_the_driver_names_hostile_files_without_reading_them(hostile):
    start = time.monotonic()
    targets = targets_from_cubes(hostile.values(), redshift=0.01, merge_bands=True)
    assert sum(len(target.files) for target in targets) == len(HOSTILE)
    assert {"pipe", "zeros-for-ever", "circle", "no-end"} <= {target.galaxy for target in targets}
    assert time.monotonic() - start < 10


def _resident_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
