"""The command line, as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from survey.simulate import simulate_archive

SURVEY = [sys.executable, "-c", "from survey.cli import main; main()"]


def survey(*arguments: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*SURVEY, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    simulate_archive(folder, 1, size=(10, 10), window=(12.5, 13.1), seed=2)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A run with one galaxy and one bad cube, from the command line."""
    bad = folder / "bad.fits"
    bad.write_text("not a cube")
    cube = next(folder.glob("*_s3d.fits"))
    out = folder / "out"
    done = survey(
        "run", cube, bad, "--redshift", "0.01", "--out", out, "--set", "cut.criterion=fixed",
        "--set", "cut.k=2", "--workers", "1", expect=64,
    )  # fmt: skip
    assert "Dask dashboard: http://127.0.0.1:" in done.stderr
    assert "bad.fits" in done.stderr
    assert "1 computed, 0 reused, 1 quarantined" in done.stdout
    return out


def test_a_run_leaves_a_catalog_and_pictures(run):
    assert len(pd.read_parquet(run / "catalog" / "clusters.parquet")) == 2
    page = (run / "report" / "index.html").read_text()
    assert "Quarantined bad" in page
    pictures = sorted((run / "report" / "figures").glob("*.png"))
    assert len(pictures) == 2
    assert all(picture.name in page for picture in pictures)


def test_a_second_run_says_that_nothing_was_to_do(run):
    (target,) = run.parent.glob("*_s3d.fits")
    done = survey("run", target, "--redshift", "0.01", "--out", run, "--json", expect=64)
    counts = json.loads(done.stdout)
    assert (counts["computed"], counts["reused"], counts["quarantined"]) == (0, 1, 1)


def test_status_tells_what_failed(run):
    assert "complete: 2 of 2 galaxies" in survey("status", run).stdout
    assert json.loads(survey("status", run, "--json").stdout)["failures"].keys() == {"bad"}


def test_inspect_tells_what_a_cube_is(folder):
    (cube,) = folder.glob("*_s3d.fits")
    text = survey("inspect", cube, "--redshift", "0.01").stdout
    for words in ("MIRI/MRS", "10 x 10 spaxels", "NeII_12.81", "MJy / sr", "GiB at peak"):
        assert words in text, text
    facts = json.loads(survey("inspect", cube, "--json").stdout)
    assert facts["projection"]["n_spaxel"] == facts["n_spaxel"]


def test_inspect_goes_on_after_a_bad_cube(folder, run):
    (cube,) = folder.glob("*_s3d.fits")
    done = survey("inspect", folder / "bad.fits", cube, expect=64)
    assert "bad.fits" in done.stderr
    assert "MIRI/MRS" in done.stdout


def test_a_catalog_is_listed_described_verified_exported(run, tmp_path):
    assert "clusters" in survey("catalog", "list", run).stdout
    assert "continuum_snr" in survey("catalog", "describe", "clusters").stdout
    assert "FAIL" not in survey("catalog", "verify", run).stdout
    survey("catalog", "export", run, "clusters", tmp_path / "clusters.vot")
    assert (tmp_path / "clusters.vot").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nothing.toml"], "not found"),
        (["run", "a.fits", "--set", "cut.kk=1"], "cut.kk"),
        (["run", "a.fits", "--preset", "magic"], "preset"),
        (["run"], "inputs"),
        (["status", "nowhere"], "no survey has run"),
        (["catalog", "list", "nowhere"], "nowhere"),
        (["classify", "nowhere"], "no survey has run"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments, words, tmp_path):
    done = survey(*arguments, expect=2)
    assert words.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_init_writes_files_to_start_from(tmp_path):
    survey("init", tmp_path / "new")
    assert "[distance]" in (tmp_path / "new" / "survey.toml").read_text()


def test_a_classification_needs_labels_and_says_so(run):
    done = survey("classify", run, "--workers", "1", expect=2)
    assert "--labels FILE" in done.stderr
    assert "Traceback" not in done.stderr


def test_report_draws_again(run):
    for picture in (run / "report" / "figures").glob("*.png"):
        picture.unlink()
    survey("report", run)
    assert len(list((run / "report" / "figures").glob("*.png"))) == 2
