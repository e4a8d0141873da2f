"""One process works in a run; who it is is said, and a dead one is succeeded."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from catalogs.owners import Process
from survey.errors import ConfigError, InfrastructureError, SurveyWarning
from survey.machine_faults import patiently
from survey.pipeline.run import lock
from survey.pipeline.run.lock import Driver, driver_of, exclusive

HOUR_S = 3600.0
HOLD = """
import sys, time
from pathlib import Path
from survey.pipeline.run.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that works in the run directory."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def quick(monkeypatch):
    """Heartbeats and patience a hundred times as short."""
    monkeypatch.setattr(lock, "BEAT_S", 0.02)
    monkeypatch.setattr(lock, "WATCH_S", 0.6)
    monkeypatch.setattr(lock, "GLANCE_S", 0.2)
    monkeypatch.setattr(lock, "POLL_S", 0.01)


def as_of(root: Path, **changes):
    """Change the process in the last record of a run, for good."""
    record = max((root / lock.FOLDER).glob("*.json"))
    driver = lock._read(record)
    changed = replace(driver, process=replace(driver.process, **changes), ended=False)
    record.write_bytes(lock._encoded(changed))


ELSEWHERE = {"host": "node17", "machine": "0123abcd"}


def test_a_second_driver_is_told_host_process_and_time(tmp_path, holder):
    with (
        pytest.raises(ConfigError, match="another survey is running") as error,
        exclusive(tmp_path),
    ):
        pass
    year = time.strftime("%Y-%m-%d")
    for fact in (f"process {holder.pid} ", Process.current().host, f"since {year}"):
        assert fact in str(error.value)


def test_a_killed_driver_is_succeeded_with_a_word(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # It stays a zombie.
    warned = pytest.warns(SurveyWarning, match=f"process {holder.pid} .* was killed")
    with warned, exclusive(tmp_path):
        assert driver_of(tmp_path)[1] is True
    assert driver_of(tmp_path)[1] is False


def test_a_stopped_driver_of_this_machine_is_not_succeeded(tmp_path, holder, quick):
    holder.send_signal(signal.SIGSTOP)
    with pytest.raises(ConfigError, match="another survey"), exclusive(tmp_path):
        pass
    assert driver_of(tmp_path)[1] is True


def test_another_process_with_the_number_of_a_dead_driver_does_not_count(tmp_path, quick):
    with exclusive(tmp_path):
        pass
    as_of(tmp_path, start="12")
    with pytest.warns(SurveyWarning, match="was killed"), exclusive(tmp_path):
        pass


def test_a_run_that_ended_is_followed_without_a_word(tmp_path, recwarn):
    for _ in range(5):
        with exclusive(tmp_path):
            pass
    assert not recwarn.list
    assert len(list((tmp_path / lock.FOLDER).iterdir())) == lock.RECORDS_KEPT


def test_one_process_does_not_work_twice_in_a_run(tmp_path):
    refused = pytest.raises(ConfigError, match="another survey")
    with exclusive(tmp_path), refused, exclusive(tmp_path):
        pass


@pytest.mark.parametrize("clock_s", [-HOUR_S, 0.0, HOUR_S])
def test_a_living_driver_of_another_machine_is_left_alone_whatever_the_clocks(
    tmp_path, quick, set_clock, clock_s
):
    now = time.time()
    with exclusive(tmp_path) as ownership:
        ownership._driver = replace(
            ownership._driver, process=replace(Process.current(), **ELSEWHERE)
        )
        as_of(tmp_path, **ELSEWHERE)
        set_clock(now + clock_s)
        assert driver_of(tmp_path)[1] is True
        warned = pytest.warns(SurveyWarning, match="watched")
        with warned, pytest.raises(ConfigError, match="on node17"), exclusive(tmp_path):
            pass


@pytest.mark.parametrize("clock_s", [-HOUR_S, 0.0, HOUR_S])
def test_a_dead_driver_of_another_machine_is_succeeded_whatever_the_clocks(
    tmp_path, quick, set_clock, clock_s
):
    with exclusive(tmp_path):
        pass
    as_of(tmp_path, **ELSEWHERE)
    assert driver_of(tmp_path)[1] is None
    now = time.time()
    set_clock(now + clock_s)
    warned = pytest.warns(SurveyWarning, match="on node17.* was killed")
    with warned, exclusive(tmp_path):
        assert driver_of(tmp_path)[1] is True


def test_a_driver_whose_run_directory_is_gone_notices(tmp_path, quick):
    root = tmp_path / "run"
    with exclusive(root) as ownership:
        ownership.check()
        root.rename(tmp_path / "unmounted")
        with pytest.raises(InfrastructureError, match=r"is gone.*unmounted.*Mount it again"):
            ownership.check()
        (root / "parts").mkdir(parents=True)  # written by a worker
        with pytest.raises(InfrastructureError, match="is gone"):
            ownership.check()


def test_a_driver_that_stood_still_and_was_succeeded_notices(tmp_path, quick):
    with exclusive(tmp_path) as ownership:
        ownership.check()
        ownership._stop.set()  # Its heartbeat stands still.
        as_of(tmp_path, **ELSEWHERE)
        warned = pytest.warns(SurveyWarning, match="was killed")
        lost = pytest.raises(InfrastructureError, match="taken over")
        with warned, exclusive(tmp_path), lost:
            ownership.check()


@pytest.mark.parametrize("content", [b"", b"\0" * 300, b"{}", b'{"process": {"pid": 1}}', b"[1]"])
def test_a_record_that_cannot_be_read_does_not_close_a_run_for_ever(tmp_path, quick, content):
    (tmp_path / lock.FOLDER).mkdir()
    (tmp_path / lock.FOLDER / "000007.json").write_bytes(content)
    with pytest.warns(SurveyWarning, match="cannot be read"), exclusive(tmp_path):
        assert (tmp_path / lock.FOLDER / "000008.json").exists()


@pytest.mark.parametrize("links", [True, False])
def test_of_many_that_succeed_a_dead_driver_at_once_one_wins(tmp_path, quick, monkeypatch, links):
    def without_links(*args):
        raise OSError("not supported")

    if not links:
        monkeypatch.setattr(os, "link", without_links)
    with exclusive(tmp_path):
        pass
    as_of(tmp_path, **ELSEWHERE)
    inside, most, guard = 0, 0, threading.Lock()
    begin = threading.Barrier(6)

    def work(_):
        nonlocal inside, most
        begin.wait()
        try:
            with exclusive(tmp_path):
                with guard:
                    inside += 1
                    most = max(most, inside)
                time.sleep(1.0)
                with guard:
                    inside -= 1
        except ConfigError:
            return 0
        return 1

    with pytest.warns(SurveyWarning), ThreadPoolExecutor(6) as pool:
        winners = sum(pool.map(work, range(6)))
    assert (winners, most) == (1, 1)


def test_a_record_is_always_whole_while_its_heartbeat_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.001)
    with exclusive(tmp_path):
        record = tmp_path / lock.FOLDER / "000001.json"
        drivers, end = [], time.monotonic() + 30.0
        while len({driver.beat for driver in drivers}) < 5 and time.monotonic() < end:
            drivers.append(lock._read(record))
    assert {driver.process for driver in drivers} == {Process.current()}
    assert len({driver.beat for driver in drivers}) == 5


def test_records_have_one_length():
    process = Process.current()
    lengths = {
        len(lock._encoded(Driver(process, 1.5, beat, ended)))
        for beat in (0, 99, 10**9)
        for ended in (True, False)
    }
    assert len(lengths) == 1


def test_a_run_directory_that_cannot_be_is_named_with_the_reason(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match=r"file/run.*cannot be written.*Not a directory"),
        exclusive(tmp_path / "file" / "run"),
    ):
        pass


def test_a_file_system_that_is_read_only_at_the_start_is_not_waited_for(tmp_path, monkeypatch):
    def take(root: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(root))

    monkeypatch.setattr(lock, "_take", take)
    with pytest.raises(ConfigError, match=r"cannot be written.*found Read-only file system"):
        patiently(exclusive(tmp_path).__enter__, patience_s=60.0, warn=pytest.fail)
