"""`dask scheduler` and `dask worker`, started as a person starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0


@contextmanager
def dask_scheduler(folder: Path, *arguments: object, **environment: str) -> Iterator[str]:
    """The address of a scheduler on the loopback interface."""
    file = folder / "scheduler.json"
    command: list[object] = ["scheduler", "--host", "127.0.0.1", "--port", 0, "--dashboard-address"]
    command += ["127.0.0.1:0", "--scheduler-file", file, *arguments]
    with dask_process(command, folder / "scheduler.log", environment) as process:
        yield scheduler_address(file, process)


@contextmanager
def dask_worker(
    address: str, folder: Path, *arguments: object, name: str = "one", **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process of the scheduler at `address`."""
    command: list[object] = ["worker", address, "--host", "127.0.0.1"]
    command += ["--dashboard-address", "127.0.0.1:0"]
    command += ["--nthreads", 1, "--memory-limit", "1GiB", "--name", name]
    command += ["--local-directory", folder, *arguments]
    with dask_process(command, folder / f"worker-{name}.log", environment) as process:
        yield process


@contextmanager
def dask_process(
    command: Sequence[object], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the command `dask`, terminated at the end."""
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


def scheduler_address(file: Path, process: subprocess.Popen[bytes]) -> str:
    """What a scheduler writes into its --scheduler-file once it is there."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            address: str = json.loads(file.read_text())["address"]
        except (FileNotFoundError, json.JSONDecodeError):
            assert process.poll() is None, "the scheduler ended"
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.1)
        else:
            return address


def memory_limits(client: Client) -> set[int]:
    """Memory limits of the workers."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return {worker["memory_limit"] for worker in workers}
