"""`survey init --sample gatos` and `survey fetch`, as a user types them."""

import json

import pytest
from astropy.table import Table

from survey.cli import main
from survey.config import load_settings
from survey.pipeline.classification.labels import read_labels
from survey.pipeline.run.plan import plan_run
from survey.pipeline.run.targets import read_targets

HELD_OUT = ["NGC 3227", "NGC 4051", "NGC 7582"]


@pytest.fixture
def survey(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, expect=0):
        monkeypatch.setattr("sys.argv", ["survey", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code or 0) == expect
        return capsys.readouterr()

    return run


def test_the_sample_is_fetched_into_tables_that_a_run_reads(survey, archive, web, tmp_path):
    survey("init", "--sample", "gatos")
    shown = survey("fetch", "--plan").out
    assert "NGC 7469: 0 MB  jw01328-o021_t001_miri_ch3-long_s3d.fits" in shown
    assert not (tmp_path / "cubes").exists()
    survey("fetch", "--quiet")
    training, test = read_targets("targets.ecsv"), read_targets("test_targets.ecsv")
    assert len(training) == 12
    assert [target.galaxy for target in test] == HELD_OUT
    assert all(len(target.files) == 3 for target in training + test)
    assert all(file.is_file() for target in training + test for file in target.files)
    (ngc,) = [target for target in training if target.galaxy == "NGC 7469"]
    assert (ngc.redshift, ngc.ra_deg, ngc.dec_deg) == (0.016317, 345.8151, 8.874)
    plan = plan_run(["survey.toml"])
    assert plan.classify
    assert plan.settings.preset == "gatos"
    assert len(plan.targets) == 12
    assert not plan_run(["test.toml"]).classify
    labels = read_labels(tmp_path / "labels.ecsv")
    assert labels.unknown_galaxies(target.galaxy for target in training + test) == []
    assert labels.unknown_galaxies(target.galaxy for target in training) == HELD_OUT

    web.requests.clear()
    again = json.loads(survey("fetch", "--json").out)
    assert (again["fetched"], again["present"], again["failed"]) == (0, 45, 0)
    assert not [path for path, _ in web.requests if "Download" in path]


def test_a_galaxy_whose_cube_fails_is_named_and_the_others_are_in_the_table(survey, archive, web):
    gone = next(path for path in web.files if "o001" in path and "ch3-short" in path)
    content = web.files.pop(gone)
    failed = survey("fetch", "--sample", "gatos", "--quiet", expect=64).err
    assert "ch3-short_s3d.fits: the archive has no such file" in failed
    assert "NGC 1052" not in {target.galaxy for target in read_targets("targets.ecsv")}
    assert len(read_targets("targets.ecsv")) == 11
    web.files[gone] = content
    survey("fetch", "--quiet")
    assert len(read_targets("targets.ecsv")) == 12


def test_what_was_entered_by_hand_stays_in_the_table(survey, archive, web, tmp_path):
    archive.names["NGC 7469"] = (345.8151, 8.874)
    survey("fetch", "--target", "NGC 7469", "--quiet")
    table = Table.read("targets.ecsv")
    table["redshift"] = 0.016317
    table.add_row({"galaxy": "mine", "files": "mine.fits", "redshift": 0.1})
    table.write("targets.ecsv", overwrite=True)
    survey("fetch", "--quiet")
    one, mine = read_targets("targets.ecsv")
    assert (one.galaxy, one.redshift) == ("NGC 7469", 0.016317)
    assert (mine.galaxy, mine.redshift) == ("mine", 0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "it is not said what to fetch"),
        (["--sample", "sings"], "unknown sample; expected gatos"),
        (["--target", "x", "--archive", "hst"], "unknown archive; expected mast, manga, muse"),
        (["--program", "1", "--archive", "muse"], "of the archive mast"),
    ],
)
def test_a_wrong_selection_is_refused(survey, options, message):
    assert message in survey("fetch", *options, expect=2).err


def test_files_of_an_own_survey_are_not_touched(survey, tmp_path):
    (tmp_path / "survey.toml").write_text("targets = 'mine.csv'")
    survey("init", "--sample", "gatos")
    assert load_settings(tmp_path / "survey.toml").targets == "mine.csv"
    assert (tmp_path / "test.toml").is_file()
    assert "expected gatos" in survey("init", "--sample", "x", expect=2).err


def test_a_run_or_classification_without_files_says_what_it_needs(survey):
    assert "survey.toml" in survey("run", expect=2).err
    assert "no survey has run" in survey("classify", expect=2).err
