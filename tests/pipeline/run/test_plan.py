from pathlib import Path

import pytest
from astropy.table import Table

from survey.config import Settings, load_settings
from survey.errors import ConfigError
from survey.pipeline.classification.labels import read_labels
from survey.pipeline.classification.plan import check_labels_of
from survey.pipeline.run.plan import parse_overrides, plan_run
from survey.pipeline.run.settings_file import write_settings, write_template
from survey.pipeline.run.targets import write_targets


@pytest.fixture
def finished(tmp_path: Path, targets) -> Path:
    """A directory as a run leaves it."""
    root = tmp_path / "run"
    (root / "parts").mkdir(parents=True)
    write_targets(targets[:1], root / "targets.ecsv")
    settings = Settings(targets="targets.ecsv", cut={"criterion": "fixed", "k": 5})
    write_settings(settings, root / "survey.toml", comments=["a run"])
    return root


def test_a_settings_file_runs_beside_itself(archive, targets):
    plan = plan_run([archive / "survey.toml"])
    assert plan.root == archive / "run"
    assert plan.targets == targets


def test_the_record_of_a_run_goes_on_where_it_is(finished):
    plan = plan_run([finished / "survey.toml"])
    assert plan.root == finished
    assert plan.settings.cut.k == 5


def test_cubes_join_the_run_in_the_directory_with_its_settings(finished, targets):
    plan = plan_run([targets[1].files[0]], out=finished, merge_bands=True)
    assert [target.galaxy for target in plan.targets] == ["SIM-001", "SIM-002"]
    assert plan.settings.cut.k == 5


def test_a_table_of_targets_is_enough(tmp_path, targets):
    folder = tmp_path / "tables"
    folder.mkdir()
    rows = [f"{target.galaxy},{target.files[0]},0.01" for target in targets]
    (folder / "mine.csv").write_text("\n".join(["galaxy,files,redshift", *rows]))
    plan = plan_run([folder / "mine.csv"], out=tmp_path / "run")
    assert [target.galaxy for target in plan.targets] == [target.galaxy for target in targets]
    assert {target.redshift for target in plan.targets} == {0.01}
    with pytest.raises(ConfigError, match="one table of targets or cubes"):
        plan_run([folder / "mine.csv", targets[0].files[0]])
    with pytest.raises(ConfigError, match="--redshift and --merge-bands are for cubes"):
        plan_run([folder / "mine.csv"], redshift=0.01)


def test_a_preset_starts_afresh(finished, targets):
    plan = plan_run([targets[1].files[0]], out=finished, overrides={"preset": "gatos"})
    assert (plan.settings.cut.criterion, plan.settings.cut.k) == ("walk", 6)
    assert plan.settings.distance.noise == "keep"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.ecsv"
    Table({"galaxy": ["SIM-001"], "type": ["Sy-2"]}).write(path, format="ascii.ecsv")
    return path


def test_a_run_with_labels_ends_in_a_classification_unless_told_otherwise(archive, labels):
    overrides = {"classes": {"labels": str(labels)}}
    assert plan_run([archive / "survey.toml"], overrides=overrides).classify
    assert not plan_run([archive / "survey.toml"], overrides=overrides, classify=False).classify
    assert not plan_run([archive / "survey.toml"]).classify


def test_labels_named_with_cubes_are_relative_to_where_one_is(labels, targets, monkeypatch):
    monkeypatch.chdir(labels.parent)
    overrides = {"classes": {"labels": labels.name}}
    plan = plan_run([targets[0].files[0]], out=Path("out"), overrides=overrides)
    assert plan.settings.classes.labels == str(labels)


def test_labels_that_are_not_there_are_refused_before_anything_starts(archive):
    overrides = {"classes": {"labels": "nowhere.ecsv"}}
    with pytest.raises(ConfigError, match="nowhere"):
        check_labels_of(plan_run([archive / "survey.toml"], overrides=overrides))


def test_ratios_that_are_not_there_are_refused(archive):
    with pytest.raises(ConfigError, match="ch4"):
        plan_run([archive / "survey.toml"], overrides={"classes": {"ratios": "ch9"}})


def test_settings_and_cubes_together_are_refused(archive, targets):
    with pytest.raises(ConfigError, match="not both"):
        plan_run([archive / "survey.toml", targets[0].files[0]])


def test_settings_without_targets_are_refused(tmp_path):
    (tmp_path / "survey.toml").write_text("[cut]\nk = 3\n")
    with pytest.raises(ConfigError, match="no targets table"):
        plan_run([tmp_path / "survey.toml"])


def test_overrides_are_toml_or_text():
    assert parse_overrides(["cut.k=4", "distance.shift=300 km/s", "prepare.window=[11, 12.5]"]) == {
        "cut": {"k": 4},
        "distance": {"shift": "300 km/s"},
        "prepare": {"window": [11, 12.5]},
    }
    with pytest.raises(ConfigError, match=r"table\.key=value"):
        parse_overrides(["cut.k"])


def test_settings_written_are_read_back(tmp_path):
    settings = Settings(
        targets="t.csv",
        distance={"shift": "250 km/s"},
        prepare={"window": (11.5, 13.0), "normalise": "window", "normalise_window": (12.0, 12.1)},
        read={"reader": "generic", "generic": {"flux": 1, "spaxel_area_arcsec2": 0.04}},
    )
    write_settings(settings, tmp_path / "survey.toml", comments=["two", "lines"])
    assert load_settings(tmp_path / "survey.toml") == settings


def test_the_template_is_valid_and_never_overwrites(tmp_path):
    written = write_template(tmp_path)
    assert {path.name for path in written} == {"survey.toml", "targets.csv", "labels.ecsv"}
    plan = plan_run([tmp_path / "survey.toml"])
    assert plan.targets[0].galaxy == "NGC 7469"
    assert write_template(tmp_path) == []


def test_labels_are_relative_to_the_settings_that_name_them(tmp_path):
    write_template(tmp_path)
    text = (tmp_path / "survey.toml").read_text()
    (tmp_path / "survey.toml").write_text(
        text.replace("[classes]", '[classes]\nlabels = "labels.ecsv"')
    )
    plan = plan_run([tmp_path / "survey.toml"])
    assert plan.settings.classes.labels == str((tmp_path / "labels.ecsv").resolve())


def test_the_template_of_labels_has_the_papers_sample_and_needs_no_coordinates(tmp_path):
    write_template(tmp_path)
    labels = read_labels(tmp_path / "labels.ecsv")
    assert len({place.galaxy for place in labels.places}) == 15
    assert labels.regions == ()
    assert labels.unknown_galaxies(["NGC7469"]).count("NGC 7469") == 0
