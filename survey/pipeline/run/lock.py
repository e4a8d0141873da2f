"""Which process works in a run directory: one at a time, on any machine that shares the disk.

Locks of a file system that several machines share are not to be relied on, and do not say whose
they are. So a process that works in a run has a record in ``RUN/.drivers/``, which it makes in
one step that can succeed only once. Records are numbered and the highest one counts. A process
that ends normally says so in its record.

A record without such an end is of a process that runs, or was killed. On the same machine its
number and the time of its start tell. On other machines nothing but its heartbeat does, a count in
the record: it is watched for `WATCH_S`. Clocks of two machines are never compared.
"""

from __future__ import annotations

import errno
import json
import os
import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from catalogs.durable import flush
from catalogs.owners import Process, owned_name
from survey.errors import RESUME, ConfigError, InfrastructureError, SurveyWarning

FOLDER = ".drivers"
BEAT_S = 2.0
WATCH_S = 60.0
"""A process of another machine counts as dead if its heartbeat has not changed for this long."""

GLANCE_S = 3.0 * BEAT_S
"""How long `survey status` watches: an answer later than that would be a nuisance."""

POLL_S = 0.5
RECORDS_KEPT = 3
"""A slow process may have listed the last ones, and must not find their numbers free again."""

_NO_PLACE = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EROFS)
"""Errors that nobody waits for: they are of the name of the run directory, or of who may write."""

_NAME = re.compile(r"(\d{6,})\.json")


@dataclass(frozen=True)
class Driver:
    """A process that works, or worked, in a run directory.

    Attributes
    ----------
    process : Process or None
        None if its record cannot be read.
    since : float
        When it began, in seconds since 1970 by the clock of its machine.
    beat : int
        The count of its heartbeat.
    ended : bool
        Whether it has ended normally.
    """

    process: Process | None
    since: float = 0.0
    beat: int = 0
    ended: bool = False

    def __str__(self) -> str:
        if self.process is None:
            return "a process whose record cannot be read"
        began = datetime.fromtimestamp(self.since).astimezone().isoformat(" ", "seconds")
        return f"process {self.process.pid} on {self.process.host}, since {began}"


class Ownership:
    """The run directory as held by this process.

    Parameters
    ----------
    folder : Path
        The folder of the records.
    number : int
        Of its record.
    driver : Driver
    """

    def __init__(self, folder: Path, number: int, driver: Driver) -> None:
        self._folder = folder
        self._number = number
        self._driver = driver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Check that the run directory is still the one that this process holds.

        Raises
        ------
        InfrastructureError
            If another process has taken over, because this one was stopped for so long that it
            passed for dead; or if the directory is gone.
        """
        number = _number_of_last(self._folder)
        if number < self._number:
            # What lies below the place of a file system that was unmounted looks like an empty run.
            raise InfrastructureError(
                "the run directory is gone",
                file=self._folder.parent,
                expected="what this process has written into it",
                found="nothing of it; perhaps its file system was unmounted",
                advice=f"Mount it again. {RESUME}",
            )
        if number > self._number:
            raise InfrastructureError(
                "another process has taken over the run, because this one stood still",
                file=self._folder.parent,
                found=str(_read(_record(self._folder, _number_of_last(self._folder)))),
                advice="The run goes on there; `survey status RUN` shows it.",
            )

    def release(self) -> None:
        """Say in the record that the process has ended."""
        self._stop.set()
        self._thread.join()
        self._write(self._driver.beat, ended=True)

    def _beat(self) -> None:
        beat = 0
        while not self._stop.wait(BEAT_S):
            beat += 1
            self._write(beat, ended=False)

    def _write(self, beat: int, *, ended: bool) -> None:
        data = _encoded(Driver(self._driver.process, self._driver.since, beat, ended))
        # In place, and always as long as before: who reads it meanwhile finds a whole record, and
        # who opens it on another machine finds the newest.
        with suppress(OSError):  # A disk that fails is found by the work itself.
            descriptor = os.open(_record(self._folder, self._number), os.O_WRONLY)
            try:
                os.pwrite(descriptor, data, 0)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextmanager
def exclusive(root: Path) -> Iterator[Ownership]:
    """Work in a run directory alone; a dead process that worked in it is succeeded with a warning.

    Raises
    ------
    ConfigError
        If another process works in it, or it cannot be written.
    """
    no_place = ""
    try:
        ownership = _take(root)
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        no_place = os.strerror(error.errno)
    if no_place:  # Not from the error: one of a file system is waited for.
        raise ConfigError(
            "the run directory cannot be written",
            file=root,
            expected="a folder in which this user may write",
            found=no_place,
        )
    try:
        yield ownership
    finally:
        ownership.release()


def driver_of(root: Path) -> tuple[Driver | None, bool | None]:
    """The process that last worked in a run directory, and whether it does so still.

    Returns
    -------
    driver : Driver or None
        None if none ever did.
    works : bool or None
        None if that cannot be seen from here in `GLANCE_S` seconds.
    """
    folder = root / FOLDER
    number = _number_of_last(folder)
    if not number:
        return None, False
    driver = _read(_record(folder, number))
    works = _works(driver)
    if works is None and _has_heartbeat(_record(folder, number), GLANCE_S):
        works = True
    return driver, works


def _take(root: Path) -> Ownership:
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    number = _number_of_last(folder)
    if number:
        _check_dead(root, _record(folder, number))
    mine = Driver(Process.current(), time.time())
    if not _create(_record(folder, number + 1), _encoded(mine)):
        raise _in_use(root, _read(_record(folder, number + 1)))
    for name in folder.iterdir():
        found = _NAME.fullmatch(name.name)
        if found and int(found[1]) <= number + 1 - RECORDS_KEPT:
            name.unlink(missing_ok=True)
    ownership = Ownership(folder, number + 1, mine)
    try:
        ownership.check()
    except InfrastructureError:
        ownership.release()
        raise _in_use(root, _read(_record(folder, _number_of_last(folder)))) from None
    return ownership


def _check_dead(root: Path, record: Path) -> None:
    """Return if the last process that worked in a run is dead, else raise."""
    driver = _read(record)
    if driver.ended:
        return
    works = _works(driver)
    if works is None:
        warnings.warn(
            f"{root}: {driver} worked here and has not said that it ended; it is watched for "
            f"{WATCH_S:.0f} s for a sign of life",
            SurveyWarning,
            stacklevel=2,
        )
        works = _has_heartbeat(record, WATCH_S)
    if works:
        raise _in_use(root, driver)
    warnings.warn(
        f"{root}: {driver} was killed while it worked here; this process takes over",
        SurveyWarning,
        stacklevel=2,
    )


def _in_use(root: Path, driver: Driver) -> ConfigError:
    return ConfigError(
        "another survey is running in this directory",
        file=root,
        found=str(driver),
        advice="Wait for it (`survey status RUN`), or choose another run directory (--out).",
    )


def _works(driver: Driver) -> bool | None:
    if driver.ended:
        return False
    return driver.process.runs() if driver.process else None


def _has_heartbeat(record: Path, watch_s: float) -> bool:
    """Whether a record changes within a time, by the clock that nobody sets."""
    first = _content(record)
    end = time.monotonic() + watch_s
    while time.monotonic() < end:
        time.sleep(min(POLL_S, watch_s))
        if _content(record) != first:
            return not _read(record).ended
    return False


def _record(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


def _number_of_last(folder: Path) -> int:
    try:
        names = [_NAME.fullmatch(path.name) for path in folder.iterdir()]
    except FileNotFoundError:
        return 0
    return max((int(name[1]) for name in names if name), default=0)


def _create(record: Path, data: bytes) -> bool:
    """Make a record with its content in one step; False if there is one."""
    unfinished = record.with_name(f".{record.name}.{owned_name()}.unfinished")
    try:
        unfinished.write_bytes(data)
        flush(unfinished)
        try:
            os.link(unfinished, record)
        except FileExistsError:
            # A server that is asked twice, because its first answer was lost, says this as well.
            return unfinished.stat().st_nlink == 2
        except OSError:  # A file system without hard links: first the file, then its content.
            try:
                with record.open("xb") as file:
                    file.write(data)
                flush(record)
            except FileExistsError:
                return False
    finally:
        unfinished.unlink(missing_ok=True)
    flush(record.parent)
    return True


def _encoded(driver: Driver) -> bytes:
    content: dict[str, Any] = asdict(driver) | {"beat": f"{driver.beat:012d}"}
    content["ended"] = "yes" if driver.ended else "no "
    return (json.dumps(content, indent=1) + "\n").encode()


def _read(record: Path) -> Driver:
    try:
        content = json.loads(_content(record))
        return Driver(
            process=Process(**content["process"]),
            since=float(content["since"]),
            beat=int(content["beat"]),
            ended=content["ended"] == "yes",
        )
    except (ValueError, KeyError, TypeError):
        return Driver(None)


def _content(record: Path) -> bytes:
    try:
        return record.read_bytes()
    except OSError:
        return b""
