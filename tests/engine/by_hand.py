"""`dask scheduler` and `dask worker`, started as a person starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0


@contextmanager
def dask_scheduler(folder: Path, *arguments: object, **environment: str) -> Iterator[str]:
    """The address of a scheduler on the loopback interface."""
    file = folder / "scheduler.json"
    command = ["scheduler", "--host", "127.0.0.1", "--port", 0, "--dashboard-address"]
    command += ["127.0.0.1:0", "--scheduler-file", file, *arguments]
    with _dask(command, folder / "scheduler.log", environment) as process:
        yield _read(file, process)["address"]


@contextmanager
def dask_worker(
    address: str, folder: Path, *arguments: object, name: str = "one", **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process of the scheduler at `address`."""
    command = ["worker", address, "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
    command += ["--nthreads", 1, "--memory-limit", "1GiB", "--name", name]
    command += ["--local-directory", folder, *arguments]
    with _dask(command, folder / f"worker-{name}.log", environment) as process:
        yield process


@contextmanager
def _dask(
    command: list[Any], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-m", "dask", *map(str, command)]
    inherited = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        log.open("w") as out,
        subprocess.Popen(words, env=inherited | environment, stdout=out, stderr=out) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def _read(file: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + START_S
    while True:
        try:
            found: dict[str, Any] = json.loads(file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            assert process.poll() is None, "the scheduler ended"
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.1)
        else:
            return found
