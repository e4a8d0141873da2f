"""The classification from the command line: at the end of a run, refused, and killed."""

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from astropy.table import Table

from catalogs import open_catalog
from catalogs.parts import PartStore
from catalogs.verify import verify
from survey.cli.runs import execute, finish_run
from survey.errors import DataError
from survey.pipeline.run.plan import plan_run
from survey.simulate import simulate_archive
from tests.cli.test_runs import SURVEY, survey

SETTINGS = """\
targets = "targets.ecsv"
[cut]
criterion = "fixed"
k = 3
[report]
figures = false
[engine]
workers = 1
dashboard = false
[classes]
labels = "labels.ecsv"
ratios = "ch3-short"
draws = 150
trees = 30
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Seyfert and a starburst, labelled by their types, and settings that say so."""
    folder = tmp_path_factory.mktemp("labelled")
    simulate_archive(folder, 2, size=(10, 10), window="ch3-short", seed=4)
    table = Table({"galaxy": ["SIM-001", "SIM-002"], "type": ["Sy-2", "Starburst"]})
    table.write(folder / "labels.ecsv", format="ascii.ecsv")
    (folder / "survey.toml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
def without_classes(folder: Path) -> Path:
    done = survey("run", folder / "survey.toml", "--no-classify")
    assert "2 computed" in done.stdout
    assert "balanced accuracy" not in done.stdout
    root = folder / "run"
    assert (open_catalog(root).clusters["class"] == "").all()
    return root


@pytest.fixture(scope="module")
def printed(folder: Path, without_classes: Path) -> dict[str, Any]:
    """What a run that nothing disturbs tells; it is in the folder `classified`."""
    root = shutil.copytree(without_classes, folder / "classified", symlinks=True)
    return json.loads(survey("run", folder / "survey.toml", "--out", root, "--json").stdout)


@pytest.fixture
def run(without_classes: Path, tmp_path: Path) -> Path:
    """A copy that is not classified."""
    return Path(shutil.copytree(without_classes, tmp_path / "run", symlinks=True))


def test_a_run_whose_settings_name_labels_classifies_by_itself(folder, printed):
    clusters = pd.read_parquet(folder / "classified" / "catalog" / "clusters.parquet")
    assert (printed["computed"], printed["reused"]) == (0, 2)
    assert set(clusters["label_initial"]) - {""} == {"AGN", "SF"}
    assert clusters["p_AGN"].notna().any()
    assert printed["classes"] == {
        name: int((clusters["class"] == name).sum()) for name in ("AGN", "SF", "other")
    } | {"none": int((clusters["class"] == "").sum())}


def test_a_run_with_too_few_labels_is_a_run_all_the_same(folder, run, tmp_path, capsys):
    few = tmp_path / "few.ecsv"
    Table({"galaxy": ["SIM-001"], "type": ["Sy-2"]}).write(few, format="ascii.ecsv")
    overrides = {"classes": {"labels": str(few)}}
    plan = plan_run([folder / "survey.toml"], out=run, overrides=overrides)
    with pytest.raises(DataError, match="1 of AGN, 0 of SF"):
        finish_run(plan, execute(plan, quiet=True), as_json=False, quiet=False)
    assert "2 reused" in capsys.readouterr().out
    assert all(check.ok for check in verify(run))


def interrupt(run: Path, signal_number: int) -> tuple[int, str]:
    """Classify, and send a signal in the middle of the draws; the exit code and messages."""
    store = PartStore(run).root / "parts" / "whole%20survey"
    process = subprocess.Popen(
        [*SURVEY, "classify", str(run)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        for _ in range(600):
            if list(store.glob("sample-*")) or process.poll() is not None:
                break
            time.sleep(0.1)
        time.sleep(0.5)  # the draws have begun
        assert process.poll() is None
        os.kill(process.pid, signal_number)
        errors = process.communicate(timeout=120)[1]
        return process.returncode, errors
    finally:
        with suppress(ProcessLookupError):  # no worker may outlive the test
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_classification_that_is_killed_leaves_the_catalog_as_it_was_and_is_finished_later(
    folder, printed, run
):
    before = open_catalog(run).path
    for signal_number, expected in ((signal.SIGINT, 75), (signal.SIGKILL, -signal.SIGKILL)):
        shutil.rmtree(run / "parts" / "whole%20survey", ignore_errors=True)
        code, errors = interrupt(run, signal_number)
        assert code == expected, errors
        if signal_number == signal.SIGINT:  # A process that is just starting may miss a killed one.
            assert "Traceback" not in errors
        assert not list(run.glob("parts/whole%20survey/classes-*")), "it came too late"
        assert open_catalog(run).path == before
        assert all(check.ok for check in verify(run))
    survey("classify", run)
    assert all(check.ok for check in verify(run))
    ours, undisturbed = (open_catalog(path).clusters for path in (run, folder / "classified"))
    pd.testing.assert_frame_equal(ours, undisturbed)
