"""What becomes of one galaxy when something goes wrong on the worker."""

import os
import re
from dataclasses import replace

import pytest

from catalogs.parts import PartStore
from survey.errors import DataError, MachineError, Unconfirmed
from survey.machine_faults import LIMITS
from survey.pipeline.galaxy import stages as galaxy_module
from survey.pipeline.galaxy import task as task_module
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.task import GalaxyTask, process_galaxy


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


def test_a_bug_becomes_one_line_that_says_where_if_another_worker_agrees(task, monkeypatch):
    call, _ = failing(9, ZeroDivisionError("by zero"))
    monkeypatch.setattr(galaxy_module, "prepare", call)
    with pytest.raises(Unconfirmed) as caught:
        process_galaxy(task)
    report = caught.value.result
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


@pytest.mark.parametrize("stage", [one.name for one in STAGES if one.kept.is_part])
@pytest.mark.parametrize("when", ["_write", "_commit"])
def test_a_file_system_that_hiccups_when_a_result_is_written_is_tried_again(
    task, monkeypatch, stage, when
):
    real, failed = getattr(PartStore, when), []

    def once(store, receipt, *args, **kwargs):
        if receipt.stage == stage and not failed:
            failed.append(stage)
            raise OSError(5, "Input/output error")
        return real(store, receipt, *args, **kwargs)

    monkeypatch.setattr(PartStore, when, once)
    report = process_galaxy(task)
    assert report.failure is None
    assert failed == [stage] or (stage, when) == ("profiles", "_commit"), "it goes into the last"
    assert [path.name for path in (task.root / ".inflight").iterdir()] == []


def test_a_file_system_that_is_gone_is_no_fault_of_the_galaxy(task, monkeypatch):
    call, calls = failing(99, OSError(5, "Input/output error"))
    monkeypatch.setattr(galaxy_module, "write_store", call)
    with pytest.raises(MachineError, match="Input/output error") as caught:
        process_galaxy(task)
    assert caught.value.file == str(task.root)
    assert caught.value.result is None, "its cube can be read"
    assert len(calls) == task_module.ATTEMPTS


def test_a_cube_that_alone_cannot_be_read_says_so(task, monkeypatch):
    real = os.open

    def open_path(path, *args, **kwargs):
        if str(path) == task.target.files[0].address:
            raise OSError(5, "Input/output error", str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", open_path)
    with pytest.raises(MachineError) as caught:
        process_galaxy(task)
    assert caught.value.file == str(task.target.files[0])
    assert caught.value.result.outcome == "quarantined"


@pytest.mark.parametrize("number", sorted(LIMITS))
def test_for_room_on_a_disk_only_the_driver_waits(task, monkeypatch, number):
    call, calls = failing(99, OSError(number, os.strerror(number), "/scratch/x"))
    monkeypatch.setattr(galaxy_module, "write_store", call)
    with pytest.raises(MachineError, match="/scratch/x"):
        process_galaxy(task)
    assert len(calls) == 1


def test_a_missing_file_may_be_missing_on_this_worker_alone(task):
    target = replace(task.target, files=(task.root / "absent.fits",))
    with pytest.raises(Unconfirmed) as caught:
        process_galaxy(replace(task, target=target))
    failure = caught.value.result.failure
    assert failure["message"].startswith(f"{task.root}/absent.fits: no such file")


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
    monkeypatch.setattr("survey.distances.distances.shifted_distances", call)
    with pytest.raises(Unconfirmed) as caught:
        process_galaxy(task)
    failure = caught.value.result.failure
    assert (failure["error"], failure["stage"]) == ("ResourceError", "distances")
    assert "40 GB" in failure["message"]


def test_a_figure_that_fails_costs_no_galaxy(task, monkeypatch):
    def draw(root, name, key):
        raise RuntimeError("no ink")

    report = process_galaxy(GalaxyTask(task.target, task.settings, task.root, draw))
    assert report.outcome == "computed"
    assert any("no ink" in note for note in report.notes)
