"""The validation of a run on a real cluster: answers once, verdicts where they belong."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from catalogs import open_catalog
from catalogs.parts import PartStore
from catalogs.survey_parts import ANSWERS
from catalogs.validation import thresholds as table
from catalogs.validation.columns import NOT_TESTABLE, VERDICT_QUESTION, VERDICTS
from catalogs.verify import verify
from survey.config import Settings, build_settings
from survey.engine.cluster import Cluster
from survey.errors import ConfigError
from survey.pipeline.run.prune import prune
from survey.pipeline.run.survey import run_survey
from survey.pipeline.validation import run as validation
from survey.pipeline.validation.run import plan_validation, validate_run
from survey.pipeline.validation.task import find_answers, read_answers
from survey.report.run import write_index_pages


@pytest.fixture(scope="module")
def walked() -> Settings:
    return build_settings({"report": {"figures": False}})


@pytest.fixture(scope="module")
def validated(
    tmp_path_factory: pytest.TempPathFactory, targets, walked: Settings, cluster: Cluster
) -> Path:
    """A run of two galaxies that was validated."""
    root = tmp_path_factory.mktemp("validated")
    run_survey(root, targets, walked, cluster)
    done = validate_run(root, plan_validation(root), cluster, quick=True)
    assert not done.failures
    return root


@pytest.fixture
def copied(validated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(validated, tmp_path / "run", symlinks=True))


def test_every_galaxy_and_every_cluster_has_a_verdict(validated):
    catalog = open_catalog(validated)
    rows = catalog.validation()
    assert set(rows["galaxy"]) == set(catalog.galaxies["galaxy"])
    assert set(rows["verdict"]) <= set(VERDICTS)
    assert (rows["meaning"].str.len() > 0).all()
    assert catalog.galaxies["verdict"].isin(VERDICTS).all()
    assert catalog.galaxies["verdict_reason"].str.len().gt(0).all()
    verdicts = rows[rows["question"] == VERDICT_QUESTION].set_index(["galaxy", "cluster"])
    for row in catalog.clusters.to_dict("records"):
        own = verdicts.loc[row["galaxy"], row["cluster"]]
        assert row["verdict"] == own["verdict"]
    assert catalog.clusters["point_source_share"].between(0, 1).all()
    assert [check for check in verify(validated) if not check.ok] == []


def test_nothing_is_answered_twice(validated, cluster):
    version = open_catalog(validated).path
    reports = []
    done = validate_run(
        validated, plan_validation(validated), cluster, quick=True, on_report=reports.append
    )
    assert not any(report.computed for report in reports)
    assert sum(done.counts.values()) == 2
    assert open_catalog(validated).path == version


def test_a_validation_that_was_interrupted_goes_on_where_it_stopped(copied, cluster, monkeypatch):
    galaxy = sorted(open_catalog(copied).galaxies["galaxy"])[0]
    for part in copied.glob(f"parts/*/{ANSWERS}-*"):
        if galaxy not in part.parent.name.replace("%20", " "):
            (shutil.rmtree if part.is_dir() else Path.unlink)(part)
    reports = []
    validate_run(copied, plan_validation(copied), cluster, quick=True, on_report=reports.append)
    assert {report.galaxy: report.computed for report in reports}[galaxy] is False
    assert sorted(report.computed for report in reports) == [False, True]


def test_other_thresholds_need_no_new_answers(copied, cluster, monkeypatch):
    packaged = table.packaged_thresholds()
    strict = replace(packaged, galaxy_least=2.0, cluster_least=2.0, digest="another")
    monkeypatch.setattr(validation, "packaged_thresholds", lambda: strict)
    reports = []
    done = validate_run(
        copied, plan_validation(copied), cluster, quick=True, on_report=reports.append
    )
    assert not any(report.computed for report in reports)
    assert done.counts["robust"] == 0
    assert (open_catalog(copied).clusters["verdict"] != "robust").all()


def test_a_galaxy_that_changed_since_has_no_verdict_until_it_is_validated_again(
    copied, targets, walked, cluster
):
    changed = walked.model_copy(
        update={"cut": walked.cut.model_copy(update={"criterion": "fixed", "k": 2})}
    )
    run_survey(copied, targets, changed, cluster)
    catalog = open_catalog(copied)
    assert (catalog.galaxies["verdict"] == "").all()
    assert catalog.validation().empty
    validate_run(copied, plan_validation(copied), cluster, quick=True)
    assert open_catalog(copied).galaxies["verdict"].isin(VERDICTS).all()


def test_a_galaxy_whose_cube_is_gone_fails_alone(copied, cluster):
    name, other = sorted(open_catalog(copied).galaxies["galaxy"])
    for folder in (*copied.glob(f"parts/*/{ANSWERS}-*"), *copied.glob("cubes/*.zarr")):
        (shutil.rmtree if folder.is_dir() else Path.unlink)(folder)
    lines = (copied / "targets.ecsv").read_text().splitlines()
    kept = [line for line in lines if name not in line]
    (copied / "targets.ecsv").write_text("\n".join(kept) + "\n")
    done = validate_run(copied, plan_validation(copied), cluster, quick=True)
    assert list(done.failures) == [name]
    galaxies = open_catalog(copied).galaxies.set_index("galaxy")
    assert galaxies.loc[name, "verdict"] == NOT_TESTABLE
    assert "run the survey again" in galaxies.loc[name, "verdict_reason"]
    assert "failed" not in galaxies.loc[other, "verdict_reason"]


def test_pruning_keeps_the_answers_of_the_catalog(copied):
    answers = set(copied.glob(f"parts/*/{ANSWERS}-*"))
    assert len(answers) == 2
    assert not answers & set(prune(copied, remove=True).folders)
    assert set(copied.glob(f"parts/*/{ANSWERS}-*")) == answers


def test_the_pages_show_the_verdicts(validated):
    page = write_index_pages(validated)
    script = (page.parent / "data" / "validation.js").read_text()
    verdicts = json.loads(script.removeprefix("const SURVEY_VERDICTS = "))
    galaxies = open_catalog(validated).galaxies.set_index("galaxy")
    assert {name: one["verdict"] for name, one in verdicts.items()} == dict(galaxies["verdict"])
    assert all((page.parent / "data" / "validation").glob("*.js"))
    assert "Verdicts on galaxies" in page.read_text()


def test_only_settings_of_the_engine_can_be_changed(validated):
    with pytest.raises(ConfigError, match="cut"):
        plan_validation(validated, {"cut": {"k": 3}})


def test_a_folder_without_a_run_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="no survey has run"):
        plan_validation(tmp_path)


def test_the_answers_of_a_part_are_what_was_measured(validated):
    galaxy, key = open_catalog(validated).galaxies[["galaxy", "part_key"]].iloc[0]
    part = find_answers(validated, galaxy, key, quick=True)
    assert part is not None
    answers = read_answers(part)
    row = open_catalog(validated).validation(galaxy)
    row = row[(row["question"] == "linkage") & (row["variant"] == "ward")].iloc[0]
    own = next(one for one in answers if (one.question, one.variant) == ("linkage", "ward"))
    assert own.value == pytest.approx(row["value"])
    assert PartStore(validated).check(galaxy, ANSWERS, part.key, full=True)
