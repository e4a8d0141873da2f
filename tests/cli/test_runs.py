"""The command line, as a user types it."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest

from survey.cli import main
from survey.config import EngineSettings
from survey.engine.cluster import connect
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
    assert "dashboard: http://127.0.0.1:" in done.stderr
    assert "bad.fits" in done.stderr
    assert "1 computed, 0 reused, 1 quarantined" in done.stdout
    return out


def test_a_run_leaves_a_catalog_and_pages(run):
    assert len(pd.read_parquet(run / "catalog" / "clusters.parquet")) == 2
    page = (run / "report" / "index.html").read_text()
    assert "1 quarantined" in page
    (galaxy,) = (run / "report" / "galaxies").glob("*.html")
    assert f"galaxies/{galaxy.name}" in (run / "report" / "data" / "galaxies.js").read_text()


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
        (["run", "a.fits"], "a.fits: no such file"),
        (["run", "{cube}", "--set", "cut.kk=1"], "cut.kk"),
        (["run", "{cube}", "--set", "cut.k=1", "--set", "cut.k.x=2"], "both as a table"),
        (["run", "{cube}", "--set", "prepare.window=ch9"], "ch9"),
        (["run", "{cube}", "--set", "read.reader=foo"], "foo"),
        (["run", "{cube}", "--set", "engine.memory_limit=much"], "much"),
        (["run", "{cube}", "--preset", "magic"], "preset"),
        (["run", "{cube}", "--cluster", "no.toml"], "no.toml: cluster file not found"),
        (
            ["run", "{cube}", "--cluster", "no.toml", "--workers", "2"],
            "--cluster cannot be combined",
        ),
        (["run", "{cube}", "--out", "{cube}"], "exists"),
        (["run"], "survey.toml"),
        (["status", "nowhere"], "no survey has run"),
        (["catalog", "list", "nowhere"], "nowhere"),
        (["classify", "nowhere"], "no survey has run"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments, words, folder, tmp_path, monkeypatch, capsys
):
    (cube,) = folder.glob("*_s3d.fits")
    arguments = [argument.format(cube=cube) for argument in arguments]
    if arguments[0] == "run" and "--out" not in arguments:
        arguments += ["--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["survey", *arguments])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # as it was, afterwards
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert not (tmp_path / "out" / "targets.ecsv").exists(), "a mistake leaves nothing behind"
    printed = capsys.readouterr().err
    assert words.lower() in printed.lower()
    assert "Traceback" not in printed


def test_the_settings_file_has_the_last_word_where_the_command_line_says_nothing(folder, tmp_path):
    (cube,) = folder.glob("*_s3d.fits")
    (tmp_path / "targets.csv").write_text(f"galaxy,files,redshift\nodd [/bold] name,{cube},0.01\n")
    (tmp_path / "survey.toml").write_text(
        'targets = "targets.csv"\n[report]\nfigures = false\n[engine]\ndashboard = false\n'
        '[cut]\ncriterion = "fixed"\nk = 2\n'
    )
    done = survey("run", tmp_path / "survey.toml")
    assert "odd [/bold] name" in done.stderr, "names are not markup"
    assert "dashboard" not in done.stderr
    assert not (tmp_path / "run" / "report").exists()


@pytest.mark.slow
def test_an_interrupted_run_says_so_and_goes_on(folder, tmp_path):
    simulate_archive(tmp_path / "many", 6, size=(12, 12), window=(12.4, 13.2), seed=8)
    command = [*SURVEY, "run", str(tmp_path / "many" / "survey.toml"), "--workers", "1"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        for line in process.stderr:
            if line.startswith("computed"):
                break
        # As a terminal does it: the whole group of processes hears of it.
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
        code = process.wait(60)
    assert code == 75
    assert "interrupted" in rest
    assert "Traceback" not in rest
    done = survey("run", tmp_path / "many" / "survey.toml", "--json")
    counts = json.loads(done.stdout)
    assert counts["reused"] >= 1
    assert counts["reused"] + counts["computed"] == 6


@pytest.mark.slow
def test_an_existing_scheduler_is_used(folder, tmp_path):
    (cube,) = folder.glob("*_s3d.fits")
    settings = EngineSettings(workers=1, memory_limit="2GiB", dashboard=False, insecure=True)
    with connect(settings) as cluster:
        done = survey(
            "run", cube, "--redshift", "0.01", "--out", tmp_path / "out", "--no-figures",
            "--scheduler", cluster.scheduler.address, "--json",
        )  # fmt: skip
    assert json.loads(done.stdout)["computed"] == 1


def test_init_writes_files_to_start_from(tmp_path):
    survey("init", tmp_path / "new")
    assert "they are kept" in survey("init", tmp_path / "new").stdout
    assert "[distance]" in (tmp_path / "new" / "survey.toml").read_text()


def test_a_classification_needs_labels_and_says_so(run):
    done = survey("classify", run, "--workers", "1", expect=2)
    assert "--labels FILE" in done.stderr
    assert "Traceback" not in done.stderr


def test_report_writes_missing_pages_again_and_pictures_if_asked(run):
    for page in (run / "report" / "galaxies").glob("*.html"):
        page.unlink()
    survey("report", run, "--pictures")
    assert len(list((run / "report" / "galaxies").glob("*.html"))) == 1
    assert len(list((run / "report" / "pictures").glob("*.png"))) == 2
