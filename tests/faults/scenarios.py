"""The faults: each takes a series of runs, disturbs it, and lets it come to its end.

Every function gets a `Series` and a random generator, so that a seed says what happens. What
it counts is in the series: kills of workers and drivers, and other faults.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from catalogs.verify import verify
from tests.faults import disks
from tests.faults.driver import Driver, Faults, put_tokens
from tests.faults.series import COMPLETE, RESUMABLE, USAGE, Series

STEPS_OF_A_GALAXY = 164
"""So many changes of files does a worker make for one galaxy, from its store to its commit."""

STEPS_OF_A_DRIVER = 70
"""About so many does the driver make when everything is computed and has to be published."""

WORKER_TTL_S = 15
"""The life of a worker that is silent, where it is stopped for longer."""

AFTER_CHANGES = {"driver": 25, "worker": 60}
"""Changes of files after which a clock jumps: in the middle of a run, and of a galaxy."""

MOST_DISTURBED_RUNS = 200

IMPATIENT = ("--set", "engine.patience_s=12")
"""For faults that last: how long the run waits before it stops."""


def kill_workers_at_steps(series: Series, steps: Sequence[int], *, at_start: int = 0) -> None:
    """Kill a worker before each of these changes of files, in one run.

    There are fewer kills than galaxies, so no galaxy has reason to be suspected. Before that,
    kill so many workers as soon as they are there. On a machine that is too busy to start workers
    the run may stop as resumable.
    """
    tokens = put_tokens(series.folder / "tokens", "worker", steps)
    with series.start(faults=Faults(tokens)) as driver:
        series.worker_kills += _kill_first(driver, at_start)
        series.ended(driver, *COMPLETE, RESUMABLE)
    series.worker_kills += len(steps) - len(list(tokens.iterdir()))
    series.finish()


def preempt_workers(
    series: Series, rng: np.random.Generator, kills: int, every_cpu_s: float, **more: Any
) -> None:
    """Kill a worker at random whenever the workers have computed so long, up to so many kills.

    The run may stop as resumable; it is then started again. No galaxy may be blamed.
    """
    for _ in range(MOST_DISTURBED_RUNS):
        with series.start(**more) as driver:
            due = driver.worker_cpu_s() + rng.exponential(every_cpu_s)
            while driver.is_running and series.worker_kills < kills:
                workers = driver.workers()
                # Only one that has joined: killing processes that start disturbs no galaxy.
                ready = [worker for worker in workers if _has_joined(worker)]
                if driver.worker_cpu_s() < due or not ready:
                    time.sleep(0.05)
                    continue
                victim = ready[int(rng.integers(len(ready)))]
                if _signal(victim, signal.SIGKILL):
                    series.worker_kills += 1
                due = driver.worker_cpu_s() + rng.exponential(every_cpu_s)
            code = series.ended(driver, *COMPLETE, RESUMABLE)
        if code in COMPLETE or series.worker_kills >= kills:
            break
    series.finish()


def kill_workers_at_start(series: Series, kills: int) -> None:
    """Kill the first workers as soon as they are there: the run starts others, and completes."""
    kill_workers_at_steps(series, [], at_start=kills)


def _kill_first(driver: Driver, kills: int) -> int:
    killed: set[int] = set()
    while driver.is_running and len(killed) < kills:
        for worker in driver.workers():
            if worker.pid not in killed and _signal(worker, signal.SIGKILL):
                killed.add(worker.pid)
                break
        time.sleep(0.1)
    return len(killed)


def kill_drivers_at_steps(series: Series, steps: Sequence[int], number: int = 9) -> None:
    """Kill the driver before each of these changes of files, one kill a run, in order.

    For runs that have nothing to compute, so they get one worker. After every kill the catalog, if
    there is one, has to agree with its manifest.
    """
    tokens = put_tokens(series.folder / "tokens", "driver", steps, number)
    for step in steps:
        with series.start(faults=Faults(tokens), workers=1) as driver:
            code = series.ended(driver, -number, *COMPLETE)
        if code in COMPLETE:
            break  # It has less to do than there are steps.
        series.driver_kills += 1
        if (series.root / "catalog").exists():
            wrong = [check for check in verify(series.root) if not check.ok]
            series.found += [f"killed at step {step}: {c.check}: {c.detail}" for c in wrong]
    series.finish()


def kill_drivers_at_work(
    series: Series, rng: np.random.Generator, kills: int, number: int = signal.SIGKILL
) -> None:
    """Kill the driver while its workers are busy, and start the next one at once."""
    for _ in range(kills):
        before = len(_parts(series.root))
        wanted = before + int(rng.integers(1, 6))
        with series.start() as driver:
            driver.wait_until(lambda wanted=wanted: len(_parts(series.root)) >= wanted)
            time.sleep(rng.uniform(0, 0.5))
            if not driver.is_running:
                series.ended(driver, *COMPLETE)
                break
            driver.send(number)
            series.driver_kills += 1
            series.ended(driver, -number)
    series.finish()


def ask_to_stop(series: Series, number: int) -> None:
    """Send a signal that asks the driver to stop; the run must be resumable.

    What it reported as computed has to be in the catalog when it has ended.
    """
    with series.start() as driver:
        if driver.wait_until(lambda: driver.n_done() >= 2):
            driver.send(number)
            series.driver_kills += 1
        series.ended(driver, RESUMABLE)
        series.found += _unpublished(series, driver)
    series.finish()


def interrupt_twice(series: Series, again_after_s: float) -> None:
    """Interrupt the driver, and again while it stops: then it ends at once, without a word."""
    with series.start() as driver:
        driver.wait_until(lambda: driver.n_done() >= 2)
        pace_s = time.monotonic() - driver.started
        driver.send(signal.SIGINT)
        time.sleep(again_after_s)
        if not driver.is_running:
            series.found.append(f"it ended within {again_after_s} s, before the second signal")
        before = driver.text()
        start = time.monotonic()
        driver.send(signal.SIGINT)
        series.driver_kills += 1
        series.ended(driver, RESUMABLE)
        seconds = time.monotonic() - start
        if said := driver.text().removeprefix(before).strip():
            series.found.append(f"told twice to stop, it said: {said}")
        if seconds > pace_s / 4:  # No fixed time: on a busy machine all takes longer.
            series.found.append(f"told twice to stop, it took {seconds:.1f} s of {pace_s:.1f} s")
    series.finish()


def start_a_second(series: Series) -> None:
    """Start a second driver while one works: it is refused, and says whose the run is."""
    with series.start() as driver:
        driver.wait_until(lambda: driver.n_done() >= 1)
        driver.send(signal.SIGSTOP)  # It must not end before the second has started.
        series.other += 1
        with series.start() as second:
            series.ended(second, USAGE)
            for word in (str(driver.process.pid), socket.gethostname()):
                if word not in second.text():
                    series.found.append(f"{word} is not named: {second.text()}")
        driver.send(signal.SIGCONT)
        series.ended(driver, *COMPLETE)
    series.judge()


def _unpublished(series: Series, driver: Driver) -> list[str]:
    lines = [line.split() for line in driver.text().splitlines()]
    computed = {words[1] for words in lines if words and words[0] == "computed"}
    path = series.root / "catalog" / "galaxies.parquet"
    published = set(pd.read_parquet(path)["galaxy"]) if path.exists() else set()
    missing = sorted(computed - published)
    return [f"computed, and not published when told to stop: {missing}"] if missing else []


def stop_worker(series: Series, step: int, *, go_on: bool = True) -> None:
    """Stop a worker (SIGSTOP) for longer than its life, at a change of a file.

    Its galaxy is computed elsewhere meanwhile. With `go_on` it wakes up and commits too.
    """
    tokens = put_tokens(series.folder / "tokens", "worker", [step], signal.SIGSTOP)
    environment = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{WORKER_TTL_S}s"}
    with series.start(faults=Faults(tokens), environment=environment) as driver:
        driver.wait_until(lambda: _stopped(driver))
        stopped = _stopped(driver)
        series.other += len(stopped)
        until = time.monotonic() + 2.4 * WORKER_TTL_S
        while driver.is_running and time.monotonic() < until:
            time.sleep(0.1)
        if go_on:
            for worker in stopped:
                _signal(worker, signal.SIGCONT)
        series.ended(driver, *COMPLETE, RESUMABLE)
        for worker in stopped:
            _signal(worker, signal.SIGKILL)
    series.finish(again=True)


def shift_clock(series: Series, role: str, offset_s: float) -> None:
    """Let the wall clock of the driver or of the workers jump while they work."""
    clock = {"role": role, "offset_s": offset_s, "after": AFTER_CHANGES[role]}
    with series.start(faults=Faults(clock=clock)) as driver:
        series.other += 1
        series.ended(driver, *COMPLETE)
    series.finish(again=True)  # by the right clock


def poison(series: Series) -> None:
    """Let one galaxy kill every worker that opens it: it alone has to be quarantined.

    A run may stop as resumable first; if the same command never gets there, the evidence is not
    kept.
    """
    faults = Faults(poison=series.archive.poison)
    series.other += 1
    series.finish(faults=faults)


def starve_disk(
    series: Series,
    disk: Path,
    fill: Callable[[Path], None],
    *,
    after: int,
    for_s: float | None,
) -> None:
    """Fill a disk once so many galaxies are done, for some seconds or until the run stops.

    For some seconds: the run goes on and completes. For ever: it stops as resumable, names the
    path, and the same command goes on when there is room again.
    """
    with series.start(*(IMPATIENT if for_s is None else ())) as driver:
        driver.wait_until(lambda: driver.n_done() >= after)
        fill(disk)
        series.other += 1
        if for_s is None:
            code = series.ended(driver, RESUMABLE)
            if code == RESUMABLE and not _names(driver.text(), disk):
                series.found.append(f"no word of {disk}: {driver.text()[-2000:]}")
            disks.free(disk)
        else:
            until = time.monotonic() + for_s
            while driver.is_running and time.monotonic() < until:
                fill(disk)  # What was freed meanwhile, too.
                time.sleep(0.05)
            disks.free(disk)
            series.ended(driver, *COMPLETE)
    series.finish()


def starve_spill_folder(series: Series, disk: Path, *, for_s: float | None) -> None:
    """Fill the disk to which workers spill, and kill a worker, whose successor needs a folder."""
    file = series.folder / "cluster.toml"
    file.write_text(f'kind = "local"\nworkers = 2\nscratch = "{disk}"\n')
    options = ("--cluster", str(file))
    impatient = IMPATIENT if for_s is None else ()
    with series.start(*options, *impatient, workers=None) as driver:
        driver.wait_until(lambda: driver.n_done() >= 1)
        disks.fill_bytes(disk)
        disks.fill_inodes(disk)
        series.other += 1
        for worker in driver.workers()[:1]:
            series.worker_kills += _signal(worker, signal.SIGKILL)
        if for_s is None:
            series.ended(driver, *COMPLETE, RESUMABLE)
            disks.free(disk)
        else:
            time.sleep(for_s)
            disks.free(disk)
            series.ended(driver, *COMPLETE)
    series.finish(*options, workers=None)


def limit_file_size(series: Series, limit: int, *, for_s: float | None) -> None:
    """Limit the size of files of all processes (RLIMIT_FSIZE), for some seconds or for ever."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))

    options = IMPATIENT if for_s is None else ()
    with series.start(*options, prepare=limited) as driver:
        series.other += 1
        if for_s is None:
            code = series.ended(driver, RESUMABLE)
            if code == RESUMABLE and not _names(driver.text(), series.root):
                series.found.append(f"no word of {series.root}: {driver.text()[-2000:]}")
        else:
            driver.wait_until(driver.workers)
            time.sleep(for_s)
            for process in [psutil.Process(driver.process.pid), *driver.workers()]:
                process.rlimit(resource.RLIMIT_FSIZE, (hard, hard))
            series.ended(driver, *COMPLETE)
    series.finish()


def limit_open_files(series: Series, *, for_s: float | None, driver_too: bool) -> None:
    """Let workers open no more files (RLIMIT_NOFILE), the driver too if wanted.

    For some seconds: the run goes on and completes. For ever: it stops as resumable.
    """
    kind = resource.RLIMIT_NOFILE
    with series.start(*(IMPATIENT if for_s is None else ())) as driver:
        driver.wait_until(lambda: driver.n_done() >= 1)
        series.other += 1
        until = math.inf if for_s is None else time.monotonic() + for_s
        limits: dict[psutil.Process, tuple[int, int]] = {}
        while driver.is_running and time.monotonic() < until:
            own = [psutil.Process(driver.process.pid)] if driver_too else []
            for process in {*own, *driver.workers()} - limits.keys():
                # A worker that starts would not even get to its work.
                if process in own or _has_joined(process):
                    with suppress(psutil.NoSuchProcess):
                        limits[process] = process.rlimit(kind)
                        process.rlimit(kind, (3, limits[process][1]))
            time.sleep(0.05)
        if for_s is not None:
            for process, before in limits.items():
                with suppress(psutil.NoSuchProcess):
                    process.rlimit(kind, before)
            series.ended(driver, *COMPLETE)
        elif series.ended(driver, RESUMABLE) == RESUMABLE and "open files" not in driver.text():
            series.found.append(f"no word of open files: {driver.text()[-2000:]}")
    series.finish()


def _names(text: str, path: Path) -> bool:
    return str(path) in text.replace("\n", "")


def _parts(root: Path) -> list[Path]:
    return list((root / "parts").glob("*/*"))


def _stopped(driver: Driver) -> list[psutil.Process]:
    stopped = []
    for worker in driver.workers():
        try:
            if worker.status() == psutil.STATUS_STOPPED:
                stopped.append(worker)
        except psutil.NoSuchProcess:
            continue
    return stopped


def _has_joined(worker: psutil.Process) -> bool:
    try:
        return any(c.status == psutil.CONN_LISTEN for c in worker.net_connections("tcp"))
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: int) -> bool:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True
