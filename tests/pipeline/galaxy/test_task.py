"""What becomes of one galaxy when something goes wrong on the worker."""

import re

import pytest

from survey.errors import DataError
from survey.pipeline.galaxy import stages as galaxy_module
from survey.pipeline.galaxy import task as task_module
from survey.pipeline.galaxy.task import GalaxyTask, process_galaxy
from survey.pipeline.galaxy.tree_paths import fastcluster as path_module


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(task_module, "FIRST_WAIT_S", 0.0)


@pytest.fixture
def task(targets, settings, tmp_path):
    return GalaxyTask(targets[0], settings, tmp_path)


def failing(times, error, then=None):
    calls = []

    def call(*args, **kwargs):
        calls.append(args)
        if len(calls) <= times:
            raise error
        return then(*args, **kwargs)

    return call, calls


def test_a_bug_becomes_one_line_that_says_where(task, monkeypatch):
    call, _ = failing(9, ZeroDivisionError("by zero"))
    monkeypatch.setattr(galaxy_module, "prepare", call)
    report = process_galaxy(task)
    assert report.outcome == "quarantined"
    assert report.failure["stage"] == "prepare"
    cube, message = task.target.files[0], report.failure["message"]
    place = "survey/pipeline/galaxy/stages.py"
    assert re.match(rf"{cube}: unexpected ZeroDivisionError at {place}:\d+: by zero", message)
    assert report.failure["content_hash"]


def test_a_file_system_that_hiccups_is_tried_again(task, monkeypatch):
    call, calls = failing(2, OSError(5, "Input/output error"), galaxy_module.write_store)
    monkeypatch.setattr(galaxy_module, "write_store", call)
    assert process_galaxy(task).outcome == "computed"
    assert len(calls) == 3


def test_a_file_system_that_is_gone_is_reported(task, monkeypatch):
    call, calls = failing(99, OSError(5, "Input/output error"))
    monkeypatch.setattr(galaxy_module, "write_store", call)
    report = process_galaxy(task)
    assert report.outcome == "quarantined"
    assert report.failure["stage"] == "read"
    assert len(calls) == task_module.ATTEMPTS


def test_after_a_retry_a_failure_names_the_stage_of_the_last_attempt(task, monkeypatch):
    write, calls = failing(1, OSError(5, "Input/output error"), galaxy_module.write_store)
    monkeypatch.setattr(galaxy_module, "write_store", write)
    measure, _ = failing(9, DataError("bad"))
    monkeypatch.setattr(galaxy_module, "measured_rows", measure)
    assert process_galaxy(task).failure["stage"] == "features"
    assert len(calls) == 2


def test_faults_of_the_data_are_never_tried_again(task, monkeypatch):
    call, calls = failing(99, DataError("bad", file="cube.fits"))
    monkeypatch.setattr(galaxy_module, "write_store", call)
    assert process_galaxy(task).failure["message"] == "cube.fits: bad"
    assert len(calls) == 1


def test_running_out_of_memory_is_a_matter_of_resources(task, monkeypatch):
    call, _ = failing(1, MemoryError("no room for 40 GB"))
    monkeypatch.setattr(path_module, "shifted_distances", call)
    failure = process_galaxy(task).failure
    assert (failure["error"], failure["stage"]) == ("ResourceError", "distances")
    assert "40 GB" in failure["message"]


def test_a_figure_that_fails_costs_no_galaxy(task, monkeypatch):
    def draw(root, name, key):
        raise RuntimeError("no ink")

    report = process_galaxy(GalaxyTask(task.target, task.settings, task.root, draw))
    assert report.outcome == "computed"
    assert any("no ink" in note for note in report.notes)
