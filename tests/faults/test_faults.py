"""Runs whose workers, drivers and disks fail end with the catalog of an undisturbed run.

Every test asks the oracle (`oracle.py`) and reads the catalog with pandas at 20 Hz meanwhile.
`make soak` does the same with hundreds of kills.
"""

import shutil
import sys

import numpy as np
import pytest

from tests.faults import disks, scenarios
from tests.faults.oracle import violations

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # a run that hangs is found before; machines are busy at times
    pytest.mark.skipif(sys.platform != "linux", reason="processes are watched through /proc"),
]


def test_workers_killed_while_they_start_and_while_they_write_blame_no_galaxy(observe):
    with observe() as series:
        scenarios.kill_workers_at_steps(series, [30, 155], at_start=1)
    assert series.worker_kills == 3


def test_drivers_killed_while_they_publish_leave_a_catalog_and_the_next_goes_on(
    observe, undisturbed, tmp_path
):
    archive, finished, digests = undisturbed
    root = tmp_path / "run"
    shutil.copytree(finished, root, symlinks=True)
    archive = archive.only_good()
    with observe(archive, root=root) as series:
        series.undisturbed = {k: v for k, v in digests.items() if k != "quarantine"}
        scenarios.kill_drivers_at_steps(series, [3, 25, 50])
    assert series.driver_kills == 3


def test_a_driver_killed_at_work_is_followed_at_once_by_the_next(observe):
    with observe() as series:
        scenarios.kill_drivers_at_work(series, np.random.default_rng(3), 1)
    assert series.driver_kills == 1


def test_a_worker_stopped_for_longer_than_its_life_blames_no_galaxy(observe):
    with observe() as series:
        scenarios.stop_worker(series, 150)
    assert series.other == 1


def test_a_disk_that_is_full_for_a_while_blames_no_galaxy(observe, disk):
    with observe(root=disk / "run") as series:
        scenarios.starve_disk(series, disk, disks.fill_bytes, after=1, for_s=8)


def test_processes_that_may_open_no_more_files_for_a_while_blame_no_galaxy(observe):
    with observe() as series:
        scenarios.limit_open_files(series, for_s=4, driver_too=True)
    assert series.other == 1


def test_the_oracle_sees_what_is_wrong(undisturbed, tmp_path):
    archive, finished, digests = undisturbed
    root = tmp_path / "run"
    shutil.copytree(finished, root, symlinks=True)
    assert violations(root, archive, digests) == []
    (root / ".inflight" / "half").mkdir(parents=True)
    (root / ".inflight" / "half" / "galaxies.arrow").touch()
    next((root / "parts").glob("SIM-001/commit-*")).unlink()
    with (root / "logs" / "ledger.jsonl").open("a") as ledger:
        ledger.write('{"event": "galaxy", "galaxy": "SIM-002", "outcome": "quarantined"}\n')
    digests = digests | {"spectra": "other"}
    text = "\n".join(violations(root, archive, digests))
    for words in ("left behind: .inflight", "no part: commit of SIM-001", "blamed", "spectra"):
        assert words in text
