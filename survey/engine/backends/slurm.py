"""Jobs of a SLURM cluster; each runs workers until its time is over."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, ClassVar, Literal, Self

from dask.utils import parse_bytes, parse_timedelta
from distributed import Client
from pydantic import Field, field_validator

from survey.engine.backends.base import (
    ALLOCATION_VARIABLE,
    LOOPBACK,
    PRELOAD,
    Duration,
    LargeWorkers,
    MemoryLimit,
    NearPath,
    Warn,
    WorkerSettings,
)
from survey.engine.backends.jobs import JobKeeper
from survey.engine.backends.security import TRUST_FLAG, TlsFiles, check_plain, is_loopback
from survey.engine.periodic import every
from survey.engine.worker_preload import NOTE
from survey.errors import ConfigError

EXAMPLE = """\
kind = "slurm"
jobs = 10
workers = 4                 # in each job
memory_limit = "4GiB"       # of each worker
walltime = "04:00:00"
queue = "normal"
log_directory = "slurm-logs"
prologue = ["source /shared/venv/bin/activate"]
"""

ONE_THREAD = tuple(
    f"export {name}=1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
)
"""Each Dask thread uses one thread of the numerical libraries."""

ALLOCATION = "export {}={}".format(*map(shlex.quote, ALLOCATION_VARIABLE))
"""A job does not get the configuration of the driver."""
PYTHON_OF_JOB = "SURVEY_PYTHON"
"""Variable of a job: the interpreter that its workers run."""

NANNY_BYTES = 256 * 2**20  # what a worker's nanny needs beside it
KEEP_EVERY_S = 15.0

WITH_DAYS_S = (3600.0, 60.0, 1.0)
WITHOUT_DAYS_S = {1: (60.0,), 2: (60.0, 1.0), 3: (3600.0, 60.0, 1.0)}
"""Seconds of each number of a time limit, with days before them and without."""


class LargeJobs(LargeWorkers):
    """Jobs with one worker of more memory each, perhaps from another queue."""

    queue: str | None = None


class SlurmSettings(WorkerSettings):
    """`jobs` jobs of `workers` processes; a job that ends is replaced while there is work.

    A worker stops by itself after `lifetime`, give or take `stagger`. The default is a tenth of
    the walltime (1 to 10 minutes) before its end. `directives` are more lines for sbatch, for
    example "--constraint=avx2"; `prologue` are shell commands to run first. `tls = "temporary"`
    makes certificates for this run, in log_directory. `host` or `interface` say how the nodes
    reach this machine, and `scheduler_ports` at which port: one, or the first free of a range,
    "8786-8799", where a firewall lets others not through. Without `python`, jobs run the one that
    the prologue activates, if it has this package; else the one that runs this command.
    """

    EXAMPLE: ClassVar[str] = EXAMPLE

    kind: Literal["slurm"] = "slurm"
    jobs: int = Field(default=1, ge=1)
    memory_limit: MemoryLimit
    walltime: str
    lifetime: Duration | None = None
    stagger: Duration | None = None
    queue: str | None = None
    account: str | None = None
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    python: str | None = None
    log_directory: NearPath = Field(default=Path("slurm-logs"), validate_default=True)
    host: str | None = None
    interface: str | None = None
    scheduler_ports: str | None = None
    large: LargeJobs | None = None
    tls: TlsFiles | Literal["temporary", "off"] = "temporary"
    trust_everyone_on_the_network: bool = False
    keep_every_s: float = Field(default=KEEP_EVERY_S, ge=1)

    @field_validator("memory_limit")
    @classmethod
    def _memory_is_asked_for(cls, value: str) -> str:
        if value == "auto":
            raise ValueError('a job needs a memory limit for its workers, for example "4GiB"')
        return value

    @field_validator("walltime")
    @classmethod
    def _is_a_walltime(cls, value: str) -> str:
        walltime_s(value)
        return value

    @field_validator("scheduler_ports")
    @classmethod
    def _are_ports(cls, value: str | None) -> str | None:
        if value is not None:
            ports_of(value)
        return value

    @property
    def expected_slots(self) -> int:
        """All threads of all workers."""
        large = self.large.workers if self.large else 0
        return (self.jobs * self.workers + large) * self.threads

    def without_tls(self) -> Self:
        """The same cluster with plain connections, unless it has certificates of its own."""
        off = {"tls": "off", TRUST_FLAG: True} if self.tls == "temporary" else {TRUST_FLAG: True}
        return self.model_copy(update=off)

    @contextmanager
    def open(self, warn: Warn) -> Iterator[Client]:
        """A client of a scheduler in this process, and jobs in the queue that will join it."""
        if self.tls == "off":
            hosts = [self.host or "the nodes"]
            trust = self.trust_everyone_on_the_network
            check_plain(hosts, trust=trust, example=self.EXAMPLE, warn=warn)
        cluster = self._cluster()
        with cluster:
            _refuse_bad_script(cluster.job_script(), self.EXAMPLE)
            cluster.scale(jobs=self.jobs)
            if self.large is not None:
                self._add(self.large, cluster)
            keeper = JobKeeper(cluster, self.log_directory, warn)
            looked_after = every(self.keep_every_s, keeper.look, "looking after the jobs")
            with looked_after, Client(cluster) as client:
                yield client

    def _cluster(self) -> Any:
        if missing := [name for name in ("sbatch", "squeue") if shutil.which(name) is None]:
            raise ConfigError(
                f"no {missing[0]} on this machine",
                expected="the commands of SLURM",
                advice="Start the survey on a machine where jobs can be submitted.",
            )
        try:
            from dask_jobqueue.slurm import SLURMCluster
        except ImportError:
            raise ConfigError(
                'kind = "slurm" needs dask-jobqueue',
                advice="Install it: pip install 'spaxel-survey[cluster]'.",
            ) from None
        plain = self.tls == "off"
        self.log_directory.mkdir(parents=True, exist_ok=True)
        return SLURMCluster(
            **self._job(self.workers, self.memory_limit),
            queue=self.queue,
            account=self.account,
            walltime=self.walltime,
            python=self.python or (f'"${PYTHON_OF_JOB}"' if self.prologue else None),
            local_directory=self.scratch,
            log_directory=str(self.log_directory),
            worker_extra_args=self._worker_arguments(),
            job_script_prologue=[
                *ONE_THREAD,
                ALLOCATION,
                *self.prologue,
                *self._chosen_python(),
            ],
            job_extra_directives=list(self.directives),
            interface=self.interface,
            protocol="tcp://" if plain else None,
            security=self._security(),
            shared_temp_directory=str(self.log_directory),
            scheduler_options=self._scheduler_options(),
            job_name="survey",
            silence_logs="error",
        )

    def _job(self, workers: int, memory_limit: str) -> dict[str, Any]:
        limit = parse_bytes(memory_limit)
        return {
            "cores": workers * self.threads,
            "processes": workers,
            "memory": f"{workers * limit}B",
            "job_mem": f"{-(-workers * (limit + NANNY_BYTES) // 2**20)}M",
        }

    def _add(self, large: LargeJobs, cluster: Any) -> None:
        options = cluster.new_spec["options"] | self._job(1, large.memory_limit)
        if large.queue is not None:
            options["queue"] = large.queue
        for number in range(large.workers):
            name = f"large-{number}"
            cluster.worker_spec[name] = {"cls": cluster.job_cls, "options": options}
        cluster.scale(jobs=len(cluster.worker_spec))

    def _worker_arguments(self) -> list[str]:
        lifetime_s, stagger_s = self.lifetime_s
        arguments = ["--lifetime", f"{lifetime_s:.0f}s", "--lifetime-stagger", f"{stagger_s:.0f}s"]
        arguments += ["--dashboard-address", f"{self.http_host}:0"]
        arguments += ["--preload", PRELOAD]
        if self.resources:
            pairs = " ".join(f"{name}={value:g}" for name, value in self.resources.items())
            arguments += ["--resources", f'"{pairs}"']
        if self.host and is_loopback(self.host):
            arguments += ["--host", LOOPBACK]
        return arguments

    @property
    def lifetime_s(self) -> tuple[float, float]:
        """Seconds after which workers stop by themselves, and how much that varies."""
        walltime = walltime_s(self.walltime)
        margin = min(max(walltime / 10, 60.0), 600.0)
        lifetime = max(walltime - margin, walltime / 2)
        return (
            parse_timedelta(self.lifetime) if self.lifetime else lifetime,
            parse_timedelta(self.stagger) if self.stagger else margin / 2,
        )

    def _scheduler_options(self) -> dict[str, Any]:
        options = {"dashboard_address": f"{self.http_host}:0", "dashboard": self.dashboard}
        if self.scheduler_ports is not None:
            options["port"] = free_port(self.scheduler_ports, self.host or "")
        return options | ({"host": self.host} if self.host else {})

    def _chosen_python(self) -> list[str]:
        """Lines of a job that choose the interpreter that the prologue has activated."""
        if self.python is not None or not self.prologue:
            return []
        here = shlex.quote(sys.executable)
        found = f"${{{PYTHON_OF_JOB}:-none}}"
        note = (
            f"the prologue activates no Python with spaxel-survey ({found}): "
            f"{sys.executable} runs instead"
        )
        return [
            f"{PYTHON_OF_JOB}=$(command -v python || command -v python3)",
            f'if ! "${PYTHON_OF_JOB}" -c "import survey" 2>/dev/null; then',
            f'    export {NOTE}="{note}"',
            f'    echo "${NOTE}" >&2',
            f"    {PYTHON_OF_JOB}={here}",
            "fi",
        ]

    def _security(self) -> Any:
        if isinstance(self.tls, TlsFiles):
            return self.tls.security()
        return True if self.tls == "temporary" else None


def walltime_s(text: str) -> float:
    """Seconds of a time limit as SLURM writes it: MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS.

    Raises
    ------
    ValueError
        If it has none of these forms.
    """
    days, dash, rest = text.rpartition("-")
    parts = rest.split(":")
    units_s = WITH_DAYS_S if dash else WITHOUT_DAYS_S.get(len(parts), ())
    numbers = [days if dash else "0", *parts]
    if len(parts) > len(units_s) or not all(number.isdecimal() for number in numbers):
        raise ValueError(f'{text!r} is not a walltime like "04:00:00"')
    return sum(
        int(number) * unit for number, unit in zip(numbers, (86400.0, *units_s), strict=False)
    )


def ports_of(text: str) -> range:
    """The ports of "8786" or "8786-8799".

    Raises
    ------
    ValueError
        If it is neither.
    """
    first, dash, last = text.partition("-")
    if first.isdecimal() and (last.isdecimal() or not dash):
        ports = range(int(first), int(last or first) + 1)
        if len(ports) and ports[0] > 0 and ports[-1] < 2**16:
            return ports
    raise ValueError(f'{text!r} is neither a port nor a range like "8786-8799"')


def free_port(text: str, host: str) -> int:
    """The first of some ports at which nobody listens.

    Raises
    ------
    ConfigError
        If there is none.
    """
    for port in ports_of(text):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise ConfigError(
        "no port is free for the scheduler",
        expected=f"one of scheduler_ports = {text!r}",
        found="all of them in use",
        advice="Give a larger range, or end the survey that uses them.",
    )


def _refuse_bad_script(script: str, example: str) -> None:
    """Ask SLURM whether it would accept a job, without submitting it."""
    with NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            ["sbatch", "--test-only", file.name], capture_output=True, text=True, check=False
        )
    if done.returncode:
        header = "\n".join(line for line in script.splitlines() if line.startswith("#SBATCH"))
        raise ConfigError(
            "SLURM refuses the jobs",
            found=done.stderr.strip(),
            advice=f"The request was:\n{header}\nAn example:\n{example}",
        )
