"""Who may talk to a cluster: TLS, and the refusal of plain connections between machines.

Anybody who can connect to a Dask scheduler can have it execute code as the user who started it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from distributed import Security

from survey.engine.backends.base import NearFile, Table
from survey.errors import ConfigError

TRUST_FLAG = "trust_everyone_on_the_network"


class TlsFiles(Table):
    """Files for TLS, in PEM format: who is trusted, and who we are."""

    ca: NearFile
    certificate: NearFile
    key: NearFile

    def options(self) -> dict[str, str | bool]:
        """Arguments of `distributed.Security`, the same certificate in every role."""
        options: dict[str, str | bool] = {"require_encryption": True, "tls_ca_file": str(self.ca)}
        for role in ("client", "scheduler", "worker"):
            options[f"tls_{role}_cert"] = str(self.certificate)
            options[f"tls_{role}_key"] = str(self.key)
        return options

    def security(self) -> Security:
        """The same for Dask."""
        return Security(**self.options())


def refuse_plain(hosts: Iterable[str], *, trust: bool, example: str) -> None:
    """Refuse to talk without encryption with machines other than this one.

    Raises
    ------
    ConfigError
        Unless all hosts are this one, or `trust` says that it is meant.
    """
    others = [host for host in hosts if not is_loopback(host)]
    if trust or not others:
        return
    raise ConfigError(
        f"the connection to {', '.join(others)} would not be encrypted",
        expected="TLS, or nothing but loopback addresses",
        advice=f"Use TLS, or say {TRUST_FLAG} = true in the cluster file, which means that anyone "
        f"who can reach the scheduler or a worker can run any code as you. An example:\n{example}",
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, reached through its loopback interface."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address)).is_loopback for address in found)
