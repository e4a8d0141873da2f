"""A survey that is disturbed, and started again until it is complete, under observation."""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.archive import Archive
from tests.faults.driver import HERE, ROOT, Driver, driving, left_over
from tests.faults.oracle import blamed, digests, violations

COMPLETE = (0, 64)
RESUMABLE = 75
USAGE = 2
MOST_RUNS = 12
"""A survey that is not complete after so many undisturbed runs of the same command never is."""

OF_DASK = re.compile(
    r"Exception ignored in: <bound method GCDiagnosis.*?\nAssertionError", re.DOTALL
)
"""What Dask's watch over the garbage collector prints when it may not open a file."""

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_adopting = False


@dataclass
class Series:
    """All runs of one command in one run directory.

    Attributes
    ----------
    archive : Archive
    root, folder : Path
        The run directory, and a folder for what the harness itself writes.
    undisturbed : dict
        Digests of the catalog of a run that nothing disturbed.
    worker_kills, driver_kills, other : int
        Faults that took place.
    codes : list of int
        Exit codes of the runs.
    found : list of str
        Violations so far.
    cpu_s : float
        CPU seconds of all processes of the survey.
    readings, swapped : int
        How often the catalog was read, and how often its link was swapped under pandas.
    longest_pause_s : float
        Between two readings.
    """

    archive: Archive
    root: Path
    folder: Path
    undisturbed: dict[str, str]
    worker_kills: int = 0
    driver_kills: int = 0
    other: int = 0
    codes: list[int] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    cpu_s: float = 0.0
    readings: int = 0
    swapped: int = 0
    longest_pause_s: float = 0.0

    def start(self, *options: str, **more: Any) -> AbstractContextManager[Driver]:
        """Start the command; see `driving`."""
        log = self.folder / f"run-{len(self.codes) + 1}-{time.monotonic_ns()}.log"
        return driving(self.archive.settings, self.root, log, "--no-classify", *options, **more)

    def ended(self, driver: Driver, *allowed: int) -> int:
        """Wait for a run; an exit code that is not allowed, or a traceback, is a violation."""
        try:
            code = driver.wait()
        except TimeoutError as error:
            self.found.append(str(error))
            return -1
        self.codes.append(code)
        text = driver.text()
        if allowed and code not in allowed:
            self.found.append(f"exit code {code}, expected {allowed}: {text[-2000:]}")
        if "Traceback" in OF_DASK.sub("", text):
            self.found.append(f"a traceback: {text[-3000:]}")
        if names := blamed(self.root, self.archive):
            self.found.append(f"blamed: {names}: {text[-3000:]}")
        return code

    def finish(self, *options: str, again: bool = False, **more: Any) -> None:
        """Run the same command, undisturbed, until it is complete; then ask the oracle.

        If the last run was complete there is no other, unless `again`: what a dead process left
        after that run is for the next to sweep.
        """
        for _ in range(MOST_RUNS):
            if self.codes and self.codes[-1] in COMPLETE and not again:
                break
            again = False
            with self.start(*options, **more) as driver:
                self.ended(driver, *COMPLETE, RESUMABLE)
        else:
            self.found.append(f"not complete after {MOST_RUNS} undisturbed runs: {self.codes}")
        self.judge()

    def judge(self) -> None:
        """Ask the oracle about the run directory of a complete survey."""
        self.found += violations(self.root, self.archive, self.undisturbed)
        deadline = time.monotonic() + 30
        while (processes := left_over(self.root)) and time.monotonic() < deadline:
            time.sleep(0.2)
        if processes:
            self.found.append(f"processes left behind: {[p.cmdline()[-1] for p in processes]}")


@contextmanager
def observed(
    archive: Archive, root: Path, folder: Path, undisturbed: dict[str, str]
) -> Iterator[Series]:
    """A series of runs, with a process that reads the catalog at 20 Hz from begin to end.

    What the reader found is in the series after the block.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series = Series(archive, root.resolve(), folder, undisturbed)
    report = folder / "reader.json"
    before = children_cpu_s()
    command = [sys.executable, str(HERE / "reader.py"), str(series.root), str(report)]
    with subprocess.Popen(
        [*command, ",".join(archive.good)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as reader:  # fmt: skip
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdout.readline()
        yield series
        reader.stdin.close()
        code = reader.wait()
    reap()
    if code or not report.exists():
        series.found.append(f"the reader ended with {code}")
        return
    facts = json.loads(report.read_text())
    series.found += [f"reader: {text}" for text in facts["violations"]]
    series.readings, series.swapped = facts["readings"], facts["swapped"]
    series.longest_pause_s = facts["longest_pause_s"]
    series.cpu_s = children_cpu_s() - before - facts["cpu_s"]


def undisturbed_run(archive: Archive, folder: Path) -> tuple[dict[str, str], float]:
    """Digests of the catalog of a run that nothing disturbs, and the CPU seconds it took.

    Raises
    ------
    AssertionError
        If even that is not as it should be.
    """
    with observed(archive, folder / "run", folder, {}) as series:
        with series.start(workers=2) as driver:
            series.ended(driver, 64 if archive.bad else 0)
        series.undisturbed = digests(series.root)
        series.judge()
    assert not series.found, "\n".join(series.found)
    return series.undisturbed, series.cpu_s


def adopt_orphans() -> None:
    """Let workers whose driver was killed become our children, so that their CPU is counted."""
    global _adopting
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    _adopting = True


def reap() -> None:
    """Collect adopted children that have ended. Nothing else may be waiting for a process."""
    while _adopting:
        try:
            number, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not number:
            return


def children_cpu_s() -> float:
    """CPU seconds of all children that have ended and been waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
