"""`survey run` as a process of its own, with the Dask workers below it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PATIENCE_S = 600.0
"""A run that neither prints nor commits anything for so long hangs; machines are busy at times."""

LONGEST_RUN_S = 3600.0
"""A run that has not ended by then goes round in circles."""

COMMAND = """
import os
from survey.pipeline.run import publisher
publisher.PUBLISH_EVERY_S = float(os.environ["PUBLISH_EVERY_S"])
from survey.cli import main
main()
"""
"""The command line; only the catalog is published more often, to have more to be disturbed."""


@dataclass
class Faults:
    """What `inject/sitecustomize.py` is asked to do in the processes of a survey."""

    tokens: Path | None = None
    poison: Path | None = None
    clock: dict[str, Any] | None = None
    trace: Path | None = None

    def to_json(self, root: Path) -> str:
        """As the environment variable has it."""
        facts: dict[str, Any] = {"root": f"{root}/", "clock": self.clock}
        for name in ("tokens", "poison", "trace"):
            path = getattr(self, name)
            facts[name] = None if path is None else str(path)
        return json.dumps(facts)


def put_tokens(folder: Path, role: str, numbers: Sequence[int], number: int = 9) -> Path:
    """Make a folder of tokens: signals before the given changes of files of one role."""
    folder.mkdir(parents=True, exist_ok=True)
    for change in numbers:
        (folder / f"{role}-{change}-{number}").touch()
    return folder


@dataclass
class Driver:
    """A running survey."""

    process: subprocess.Popen[bytes]
    root: Path
    log: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def workers(self) -> list[psutil.Process]:
        """The worker processes, in order of age."""
        found = []
        try:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                if _is_worker(child):
                    found.append(child)
        except psutil.NoSuchProcess:
            return []
        return sorted(found, key=lambda process: process.pid)

    def worker_cpu_s(self) -> float:
        """CPU seconds of all workers so far: time that passes slower on a busy machine."""
        total = 0.0
        with suppress(psutil.NoSuchProcess):
            ended = psutil.Process(self.process.pid).cpu_times()
            total += ended.children_user + ended.children_system
        for worker in self.workers():
            with suppress(psutil.NoSuchProcess):
                times = worker.cpu_times()
                total += times.user + times.system
        return total

    def send(self, number: int) -> None:
        """Send a signal to the driver alone."""
        if self.is_running:
            self.process.send_signal(number)

    def text(self) -> str:
        """All it has printed."""
        return self.log.read_text(errors="replace")

    def wait(self) -> int:
        """Its exit code.

        Raises
        ------
        TimeoutError
            If it hangs.
        """
        self.wait_until(lambda: False)
        return self.process.wait()

    def wait_until(self, condition: Callable[[], Any]) -> bool:
        """Wait until a condition holds; False if the run ends before.

        Raises
        ------
        TimeoutError
            If the run hangs.
        """
        since, seen = time.monotonic(), self._progress()
        while not condition():
            if not self.is_running:
                return bool(condition())
            now = time.monotonic()
            if (progress := self._progress()) != seen:
                since, seen = now, progress
            if now - since > PATIENCE_S or now - self.started > LONGEST_RUN_S:
                raise TimeoutError(
                    f"survey run hangs, {now - since:.0f} s after its last step; "
                    f"it printed:\n{self.text()[-3000:]}"
                )
            time.sleep(0.05)
        return True

    def _progress(self) -> tuple[int, int]:
        return self.log.stat().st_size, self.n_committed()

    def n_done(self) -> int:
        """How many galaxies it has reported."""
        lines = self.text().splitlines()
        return sum(line.startswith(("computed", "reused", "quarantined")) for line in lines)

    def n_committed(self) -> int:
        """How many parts there are in the run directory."""
        return len(list((self.root / "parts").glob("*/*")))


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "--multiprocessing-fork" in process.cmdline()
    except psutil.Error:
        return False


@contextmanager
def driving(
    settings: Path,
    root: Path,
    log: Path,
    *options: str,
    faults: Faults | None = None,
    workers: int | None = 2,
    publish_every_s: float = 1.0,
    environment: dict[str, str] | None = None,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Driver]:
    """Start `survey run`; the block ends with it and all its workers gone.

    Parameters
    ----------
    settings, root, log : Path
        The survey.toml, the run directory, and the file for what is printed.
    options : str
        More options of the command.
    faults : Faults, optional
    workers : int, optional
        None where a cluster file among the options has them.
    publish_every_s : float
    environment : dict, optional
        Variables besides our own.
    prepare : callable, optional
        Runs in the new process before the command.
    """
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE / "inject"), str(ROOT)]),
        "OMP_NUM_THREADS": "1",
        "PUBLISH_EVERY_S": str(publish_every_s),
        "COLUMNS": "300",
        "SURVEY_FAULTS": (faults or Faults()).to_json(root),
        **(environment or {}),
    }
    command = [sys.executable, "-c", COMMAND, "run", str(settings), "--out", str(root)]
    command += ["--workers", str(workers)] if workers is not None else []
    command += options
    with log.open("wb") as file, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=variables, cwd=log.parent,
        start_new_session=True, preexec_fn=prepare,
    ) as process:  # fmt: skip
        driver = Driver(process, root, log)
        try:
            yield driver
        finally:
            if driver.is_running:
                _kill(driver)


def _kill(driver: Driver) -> None:
    """End a driver that is not wanted any more, and its workers, stopped ones too."""
    workers = driver.workers()
    driver.send(signal.SIGKILL)
    driver.process.wait()
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            worker.kill()


def left_over(root: Path) -> list[psutil.Process]:
    """Processes of a survey in `root` that still run: drivers and workers, by their environment."""
    mark = f'"root": "{root}/"'
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and mark in process.environ().get(
                "SURVEY_FAULTS", ""
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found
