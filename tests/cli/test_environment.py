"""Commands in environments that batch systems, cron and wrapper scripts make."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "from survey.cli import main; main()"


def survey(*words, before="", redirected=""):
    """Run the command in a shell, as a script would; its exit code and output."""
    line = f'{before} "$0" "$@" {redirected}'
    return subprocess.run(
        ["sh", "-c", line, sys.executable, "-c", COMMAND, *map(str, words)],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize("redirected", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_run_ends_well_although_its_streams_are_closed(tmp_path, redirected):
    made = survey("simulate", tmp_path / "in", "--galaxies", 1, "--size", 8, "--workers", 0)
    assert made.returncode == 0, made.stderr
    table = tmp_path / "in" / "targets.ecsv"
    ended = survey("run", table, "--out", tmp_path / "run", "--workers", 0, redirected=redirected)
    assert ended.returncode == 0
    assert (tmp_path / "run" / "catalog" / "galaxies.parquet").is_file()


def test_a_directory_that_was_removed_is_said(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    ended = survey("status", ".", before=f'cd "{gone}"; rmdir "{gone}";')
    assert ended.returncode == 2
    assert "the current directory does not exist any more" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_settings_of_dask_that_cannot_be_read_are_one_error(tmp_path, monkeypatch):
    broken = tmp_path / "distributed.yaml"
    broken.write_text("distributed:\n  a: [1\n")
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path))
    made = survey("simulate", tmp_path / "in", "--galaxies", 1, "--size", 8, "--workers", 0)
    assert made.returncode == 0, made.stderr
    ended = survey("run", tmp_path / "in" / "targets.ecsv", "--workers", 0)
    assert ended.returncode == 2
    assert f"A dask config file at '{broken}' is malformed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_figures_are_drawn_whatever_window_system_matplotlib_is_told_to_use(tmp_path):
    code = (
        "from survey.loading import own_process; own_process(); "
        "import matplotlib; print(matplotlib.get_backend())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={"MPLBACKEND": "nonsense", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert ended.stdout.strip().lower() == "agg", ended.stderr
