"""Unfinished work of processes that ended is told from that of running ones, whatever the clock."""

import os
import resource
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from catalogs import owners
from catalogs.owners import ABANDONED_S, Process, owned_name, remove_abandoned

HOUR_S = 3600.0


@pytest.fixture
def ended():
    """A process that has ended."""
    code = "from catalogs.owners import Process; print(Process.current().tag)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return Process.of_name(done.stdout.strip())


def elsewhere(process):
    return replace(process, host="node17", machine="0123abcd")


def test_this_process_runs_and_its_tag_says_so():
    assert Process.current().runs()
    assert Process.of_name(owned_name()) == Process.current()
    assert Process.of_name(f".NGC%201-ab.zarr.{owned_name()}.partial") == Process.current()


def test_a_process_that_ended_does_not_run(ended):
    assert ended.runs() is False


def test_another_process_with_the_same_number_is_not_mistaken_for_it():
    assert replace(Process.current(), start="12").runs() is False


def test_a_zombie_does_not_run():
    with subprocess.Popen(
        [sys.executable, "-c", "from catalogs.owners import Process; print(Process.current().tag)"],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        zombie = Process.of_name(child.stdout.readline().strip())
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        os.kill(child.pid, 0)  # Its number is still taken.
        assert zombie.runs() is False


def test_of_other_machines_nothing_is_claimed(ended):
    assert elsewhere(ended).runs() is None
    assert replace(Process.current(), machine="0123abcd").runs() is None


def test_a_host_name_with_dots_fits_into_a_name(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "login-1.cluster.example.org")
    owners._here.cache_clear()
    try:
        name = f".cube.zarr.{owned_name()}.partial"
        assert Process.of_name(name) == Process.current()
    finally:
        monkeypatch.undo()
        owners._here.cache_clear()


@pytest.mark.parametrize("name", ["", ".cube.zarr.0123.partial", "host~12~ab", "a~0123abcd~x~1"])
def test_a_name_without_a_tag_is_of_no_known_process(name):
    assert Process.of_name(name) is None


@pytest.mark.parametrize("clock_s", [-HOUR_S, 0.0, HOUR_S])
def test_only_abandoned_work_is_removed_whatever_the_clock(tmp_path, set_clock, ended, clock_s):
    now = time.time()
    set_clock(now + clock_s)
    ages_s = {
        Process.current().tag: 10 * ABANDONED_S,  # a worker that was stopped for days
        ended.tag: 0.0,
        elsewhere(ended).tag: 0.0,
        f"{elsewhere(ended).tag}~old": 1.1 * ABANDONED_S,
        "without a tag": 0.0,
        "without a tag, old": 1.1 * ABANDONED_S,
    }
    for name, age_s in ages_s.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
        for path in (tmp_path / name / "file", tmp_path / name):
            os.utime(path, (now - age_s, now - age_s))
    removed = remove_abandoned(sorted(tmp_path.iterdir()), tmp_path)
    gone = {ended.tag, f"{elsewhere(ended).tag}~old", "without a tag, old"}
    assert {path.name for path in removed} == gone
    assert {path.name for path in tmp_path.iterdir()} == set(ages_s) - gone


def test_work_that_goes_on_inside_an_old_folder_is_not_abandoned(tmp_path, ended):
    folder = tmp_path / elsewhere(ended).tag
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").touch()
    os.utime(folder, (0, 0))
    assert remove_abandoned([folder], tmp_path) == []


def test_what_cannot_be_removed_is_removed_by_the_next_call(tmp_path):
    first = tmp_path / "first"
    (first / "deep").mkdir(parents=True)
    (first / "deep" / "file").touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        owners.remove(first)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (first / "deep" / "file").exists()
    owners.remove(tmp_path / "second")
    assert not first.exists()
