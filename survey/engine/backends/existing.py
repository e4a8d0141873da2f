"""A Dask scheduler that runs already, with workers that somebody else starts and stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Self

from distributed import Client
from distributed.comm.addressing import get_address_host_port
from pydantic import Field, field_validator

from survey.engine.backends.base import ALLOWED_FAILURES, SCHEDULING, ClusterSettings, Warn
from survey.engine.backends.security import COMMAND, TRUST_FLAG, TlsFiles, check_plain
from survey.errors import ConfigError, InfrastructureError

EXAMPLE = """\
kind = "existing"
address = "tls://head-node:8786"

[tls]
ca = "ca.pem"
certificate = "survey.pem"
key = "survey.key"
"""

ENCRYPTED = ("tls://", "wss://")
VARIABLE = "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"


class SchedulerSettings(ClusterSettings):
    """A scheduler at `address`; the run starts when it has `workers` workers.

    Without [tls], a tls:// address takes the certificates of Dask's own configuration.
    """

    address: str
    workers: int = Field(default=0, ge=0)
    wait_s: float = Field(default=300.0, gt=0)
    connect_timeout_s: float = Field(default=20.0, gt=0)
    tls: TlsFiles | None = None
    trust_everyone_on_the_network: bool = False

    @field_validator("address")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        get_address_host_port(value, strict=True)
        return value

    def without_tls(self) -> Self:
        """The same cluster; connections to other machines may be plain."""
        return self.model_copy(update={TRUST_FLAG: True})

    @contextmanager
    def open(self, warn: Warn) -> Iterator[Client]:
        """A client of the scheduler, which keeps running after the block."""
        if not self.address.startswith(ENCRYPTED):
            host, _ = get_address_host_port(self.address)
            check_plain(
                [host],
                trust=self.trust_everyone_on_the_network,
                example=ExistingSettings.EXAMPLE,
                warn=warn,
            )
        with self._client() as client:
            self._wait_for_workers(client)
            self._look_at_its_configuration(client, warn)
            yield client

    def _client(self) -> Client:
        security = self.tls.security() if self.tls else None
        try:
            return Client(self.address, timeout=self.connect_timeout_s, security=security)
        except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
            raise ConfigError(
                f"no Dask scheduler answers at {self.address}",
                expected='an address like "tls://head-node:8786"',
                found=f"{type(error).__name__}: {error}",
                advice="Start one with `dask scheduler`, or leave the address out to work here. "
                f"tls:// needs the scheduler's certificates: see `{COMMAND}`.",
            ) from error

    def _wait_for_workers(self, client: Client) -> None:
        if not self.workers:
            return
        try:
            client.wait_for_workers(self.workers, timeout=self.wait_s)
        except TimeoutError:
            raise InfrastructureError(
                f"too few workers joined {self.address} in {self.wait_s:g} s",
                expected=str(self.workers),
                found=str(len(client.nthreads())),
                advice="Run the same command again when they have joined.",
            ) from None

    def _look_at_its_configuration(self, client: Client, warn: Warn) -> None:
        allowed = client.run_on_scheduler(_allowed_failures)
        if allowed > SCHEDULING[ALLOWED_FAILURES]:
            warn(
                f"a galaxy that kills its worker will kill {allowed + 1} before it is set aside; "
                f"start the scheduler with {VARIABLE}=0 to lose only one"
            )


class ExistingSettings(SchedulerSettings):
    """A scheduler that was started by hand."""

    EXAMPLE: ClassVar[str] = EXAMPLE

    kind: Literal["existing"] = "existing"


def _allowed_failures(dask_scheduler: Any) -> int:
    return int(dask_scheduler.allowed_failures)
