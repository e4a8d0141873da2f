"""Names that are nearly right: the error says what may have been meant."""

from pathlib import Path

import pytest

from survey.config import Settings, build_settings
from survey.config.near_misses import nearest_settings
from survey.errors import ConfigError
from survey.pipeline.run.plan import plan_run
from survey.pipeline.run.settings_file import write_template
from survey.pipeline.run.status import read_status


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("k", ["cut.k"]),
        ("cut.kk", ["cut.k"]),
        ("cut.criterium", ["cut.criterion"]),
        ("distances.shift", ["distance.shift"]),
        ("prepare.snr_mim", ["prepare.snr_min"]),
        ("xyzzy", []),
    ],
)
def test_an_unknown_setting_is_answered_by_the_one_that_was_meant(unknown, meant):
    assert nearest_settings(unknown, Settings) == meant


def test_the_error_asks_whether_that_was_meant():
    with pytest.raises(ConfigError, match=r"no such setting \(did you mean cut\.k\?\)"):
        build_settings({"k": 6})
    with pytest.raises(ConfigError, match=r"cut\.k: Input should"):
        build_settings({"cut": {"k": "many"}})


def test_a_run_in_the_place_of_its_settings_is_named(tmp_path: Path):
    (run := tmp_path / "n7469" / "parts").mkdir(parents=True)
    (run.parent / "survey.toml").touch()
    with pytest.raises(
        ConfigError, match=r"is a run, not a cube\. Did you mean .*n7469.survey\.toml"
    ):
        plan_run([run.parent])


def test_a_misspelt_file_is_answered_by_its_neighbour(tmp_path: Path):
    write_template(tmp_path)
    with pytest.raises(ConfigError, match=r"file not found\. Did you mean .*survey\.toml\?"):
        plan_run([tmp_path / "survay.toml"])
    (tmp_path / "ngc7469_s3d.fits").touch()
    with pytest.raises(ConfigError, match=r"no such file.*Did you mean .*ngc7469_s3d\.fits\?"):
        plan_run([tmp_path / "n7469_s3d.fits"])


def test_the_folder_of_a_survey_is_answered_by_its_run(tmp_path: Path):
    write_template(tmp_path)
    with pytest.raises(ConfigError, match="no survey has run"):
        read_status(tmp_path)
    (logs := tmp_path / "run" / "logs").mkdir(parents=True)
    (logs / "ledger.jsonl").touch()
    with pytest.raises(ConfigError, match=r"Did you mean .*run\?"):
        read_status(tmp_path)
