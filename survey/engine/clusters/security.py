"""Who may talk to a cluster: TLS, and the refusal of plain connections between machines.

Anybody who can connect to a Dask scheduler can have it execute code as the user who started it.
"""

from __future__ import annotations

import ipaddress
import socket

from distributed import Security
from distributed.comm.addressing import get_address_host, parse_address

from survey.engine.clusters.base import NearFile, Table
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


def refuse_plain(address: str, *, trust: bool, example: str) -> None:
    """Refuse to work without encryption with machines other than this one.

    Raises
    ------
    ConfigError
        Unless the address is encrypted or of the loopback interface, or `trust` says that it is
        meant.
    """
    protocol, _ = parse_address(address)
    if protocol in ("tls", "wss", "inproc") or trust or is_loopback(get_address_host(address)):
        return
    raise ConfigError(
        f"{address} is neither encrypted nor on this machine",
        expected="an address that begins with tls://, or a loopback address",
        advice=f"Use TLS, or say {TRUST_FLAG} = true in the cluster file, which means that anyone "
        f"who can reach the scheduler or a worker can run any code as you. An example:\n{example}",
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, reached through its loopback interface."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host or "0.0.0.0", None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address)).is_loopback for address in found)
