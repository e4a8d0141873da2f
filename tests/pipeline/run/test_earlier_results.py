"""A run that was made by another version says what it computes again, before it does."""

import json

import pytest

from catalogs.publish import publish
from catalogs.versions import MANIFEST, SCHEMA_VERSION, current_version
from survey.pipeline.run import earlier_results
from survey.pipeline.run.earlier_results import FILE, note_of_earlier_results, record_versions


def test_a_new_run_and_one_of_this_version_have_nothing_to_say(tmp_path):
    assert note_of_earlier_results(tmp_path) is None
    record_versions(tmp_path)
    assert note_of_earlier_results(tmp_path) is None


@pytest.mark.parametrize(
    ("stage", "used_again"),
    [("features", "read and tree and profiles"), ("cut", "read and tree"), ("read", None)],
)
def test_the_first_stage_that_changed_is_named(tmp_path, stage, used_again):
    record_versions(tmp_path)
    found = json.loads((tmp_path / FILE).read_text())
    found["stages"][stage] -= 1
    (tmp_path / FILE).write_text(json.dumps(found))
    note = note_of_earlier_results(tmp_path)
    assert f"again from the stage {stage}" in note
    if used_again:
        assert "results of read" in note
        assert "are used again" in note
    else:
        assert "used again" not in note


def test_another_schema_is_another_version_from_the_profiles_on(tmp_path):
    record_versions(tmp_path)
    found = json.loads((tmp_path / FILE).read_text()) | {"schema": "1"}
    (tmp_path / FILE).write_text(json.dumps(found))
    note = note_of_earlier_results(tmp_path)
    assert f"schema 1, now {SCHEMA_VERSION}" in note
    assert f"from the stage {earlier_results.SCHEMA_STAGE};" in note


def test_a_run_without_versions_is_known_by_its_catalog(tmp_path):
    publish(tmp_path, [])
    manifest = current_version(tmp_path) / MANIFEST
    content = json.loads(manifest.read_text()) | {"schema_version": "8"}
    manifest.write_text(json.dumps(content))
    note = note_of_earlier_results(tmp_path)
    assert f"schema 8, now {SCHEMA_VERSION}" in note
    assert "or an earlier one" in note
