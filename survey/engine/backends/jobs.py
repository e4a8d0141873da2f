"""Replaces the jobs of a batch system that end before the work is done.

A job ends when its time is over, when somebody cancels it, or when its node fails. Dask-jobqueue
submits each job only once. So the queue is asked which jobs are still there.
"""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path
from typing import Any

from survey.engine.backends.base import Warn

MAX_FAILED_ROUNDS = 2
"""How often all jobs may end without a worker before no more are submitted."""

LOG_LINES = 10


class JobKeeper:
    """Keeps as many jobs in the queue as the cluster was asked for.

    Parameters
    ----------
    cluster : dask_jobqueue.JobQueueCluster
    log_directory : Path
        Where the jobs write their logs.
    warn : callable
        Called when jobs end before any of their workers has joined. After as many such jobs as
        `MAX_FAILED_ROUNDS` times all jobs, and with no worker left, the cluster is closed: more
        jobs would end the same way.
    """

    def __init__(self, cluster: Any, log_directory: Path, warn: Warn) -> None:
        self.cluster = cluster
        self.log_directory = log_directory
        self.warn = warn
        self.gone: dict[str, str] = {}
        self.arrived: set[str] = set()
        self.n_failed = 0

    def look(self) -> None:
        """Replace the jobs that were gone at the last look and still are."""
        self._note_arrivals()
        queued = _own_jobs()
        gone = {
            name: str(job.job_id)
            for name, job in list(self.cluster.workers.items())
            if job.job_id not in queued
        }
        # Gone at two looks, because the queue of a busy controller may lag behind.
        lost = {name: number for name, number in gone.items() if self.gone.get(name) == number}
        self.gone = gone
        for name, number in lost.items():
            self._count(name, number)
        if self.n_failed >= MAX_FAILED_ROUNDS * len(self.cluster.worker_spec):
            self._give_up()
        else:
            forgotten = set(self.cluster.worker_spec) - set(self.cluster.workers)
            if to_replace := forgotten | set(lost):
                self.cluster.loop.add_callback(self._replace, to_replace)

    def _note_arrivals(self) -> None:
        names = [str(worker.name) for worker in list(self.cluster.scheduler.workers.values())]
        here = {name for name in self.cluster.worker_spec if _is_among(name, names)}
        if here - self.arrived:
            self.n_failed = 0
        self.arrived |= here

    def _count(self, name: str, number: str) -> None:
        if name in self.arrived:
            self.arrived.discard(name)
            return
        self.n_failed += 1
        if self.n_failed == 1:
            what = f"job {number}" if number.isdecimal() else "a job that could not be submitted"
            self.warn(f"{what} ended before a worker joined{self._log_of(number)}")

    def _replace(self, names: set[str]) -> None:
        """Submit jobs in place of these; in the thread of the cluster, where it changes."""
        for name in names:
            self.cluster.workers.pop(name, None)
            if name in self.cluster.worker_spec:
                # Under a new name: Dask cancels the job of the old one when it has been
                # without a worker for a while, and would take the new job for it.
                self.cluster.worker_spec[_next(name)] = self.cluster.worker_spec.pop(name)
        self.cluster.scale(jobs=len(self.cluster.worker_spec))

    def _give_up(self) -> None:
        if self.cluster.scheduler.workers:
            return
        self.warn(f"{self.n_failed} jobs in a row ended without a worker: no more are submitted")
        self.cluster.close()

    def _log_of(self, number: str) -> str:
        log = next(iter(sorted(self.log_directory.glob(f"*-{number}.err"))), None)
        if log is None:
            return ""
        last = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join([f"; the end of {log}:", *last])


def _next(name: str) -> str:
    """The name of the job that follows: "a", "a.1", "a.2"."""
    first, _, number = name.partition(".")
    return f"{first}.{int(number or 0) + 1}"


def _is_among(job: str, workers: list[str]) -> bool:
    return any(name == job or name.startswith(f"{job}-") for name in workers)


def _own_jobs() -> set[str]:
    """Numbers of all jobs of this user that are in the queue."""
    command = ["squeue", "--noheader", "--format=%A", f"--user={getpass.getuser()}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())
