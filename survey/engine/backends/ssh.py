"""Machines reached by SSH, which share a file system with this one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Self

from distributed import Client, SSHCluster
from pydantic import Field

from survey.engine.backends.base import LOOPBACK, PRELOAD, NearFile, Warn, WorkerSettings
from survey.engine.backends.security import TRUST_FLAG, TlsFiles, check_plain, is_loopback
from survey.errors import ConfigError

EXAMPLE = """\
kind = "ssh"
hosts = ["node1", "node2"]
workers = 4                 # on each of them
memory_limit = "8GiB"
python = "/shared/venv/bin/python"

[tls]
ca = "ca.pem"
certificate = "survey.pem"
key = "survey.key"
"""


class SshSettings(WorkerSettings):
    """`workers` processes on each of `hosts`, and the scheduler on the first of them.

    `user`, `port`, `keys` and `known_hosts` are for SSH; their defaults are those of the command
    ssh. `python` is the interpreter on the hosts, by default the path of the one here.
    """

    EXAMPLE: ClassVar[str] = EXAMPLE

    kind: Literal["ssh"] = "ssh"
    hosts: tuple[str, ...] = Field(min_length=1)
    user: str | None = None
    port: int | None = None
    keys: tuple[NearFile, ...] = ()
    known_hosts: NearFile | None = None
    python: str = sys.executable
    tls: TlsFiles | None = None
    trust_everyone_on_the_network: bool = False

    @property
    def expected_slots(self) -> int:
        """All threads of all workers."""
        return len(self.hosts) * self.workers * self.threads

    def without_tls(self) -> Self:
        """The same cluster; connections to other machines may be plain."""
        return self.model_copy(update={TRUST_FLAG: True})

    @contextmanager
    def open(self, warn: Warn) -> Iterator[Client]:
        """A client of scheduler and workers on the hosts; they end with the block."""
        if self.tls is None:
            trust = self.trust_everyone_on_the_network
            check_plain(self.hosts, trust=trust, example=self.EXAMPLE, warn=warn)
        try:
            # Dask sends its configuration along, the scheduler's part of it included.
            cluster = SSHCluster(
                [self.hosts[0], *self.hosts],
                connect_options=self._connect_options(),
                scheduler_options=self._scheduler_options(),
                worker_options=self._worker_options(),
                remote_python=self.python,
                security=self.tls.security() if self.tls else None,
                silence_logs=40,
            )
        except Exception as error:  # asyncssh, distributed and the system each have their own
            raise ConfigError(
                f"no cluster could be started over SSH on {', '.join(self.hosts)}",
                found=f"{type(error).__name__}: {error}",
                advice=f"`ssh HOST {self.python} -c 'import survey'` has to work without a "
                f"password on each of them. An example:\n{self.EXAMPLE}",
            ) from error
        with cluster, Client(cluster) as client:
            yield client

    @property
    def _listening(self) -> dict[str, Any]:
        alone = all(is_loopback(host) for host in self.hosts)
        return {"host": LOOPBACK} if alone else {}

    def _connect_options(self) -> dict[str, Any]:
        given = {
            "username": self.user,
            "port": self.port,
            "client_keys": [str(key) for key in self.keys] or None,
            "known_hosts": str(self.known_hosts) if self.known_hosts else None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _scheduler_options(self) -> dict[str, Any]:
        return self._common_options() | {"dashboard": self.dashboard}

    def _worker_options(self) -> dict[str, Any]:
        return self._common_options() | {
            "n_workers": self.workers,
            "nthreads": self.threads,
            "memory_limit": self.memory_limit,
            "local_directory": self.scratch,
            "resources": self.resources or None,
            "preload": [PRELOAD],
        }

    def _common_options(self) -> dict[str, Any]:
        return self._listening | {
            "protocol": "tls://" if self.tls else "tcp://",
            "security": self.tls.options() if self.tls else None,
            "dashboard_address": f"{self.http_host}:0",
        }
