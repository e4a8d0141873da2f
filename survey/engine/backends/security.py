"""Who may connect to a cluster: TLS, and the refusal of plain connections between machines.

Anybody who can connect to a Dask scheduler can run code as the user who started it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from distributed import Security

from survey.engine.backends.base import NearFile, SettingsTable
from survey.errors import ConfigError

TRUST_FLAG = "trust_everyone_on_the_network"


class TlsFiles(SettingsTable):
    """Files for TLS, in PEM format: the certificate authority, and our certificate and key."""

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
    """Refuse connections to other machines without encryption.

    Raises
    ------
    ConfigError
        If a host is another machine and `trust` is false.
    """
    others = [host for host in hosts if not is_loopback(host)]
    if trust or not others:
        return
    raise ConfigError(
        f"the connection to {', '.join(others)} would not be encrypted",
        expected="TLS, or only loopback addresses",
        advice=f"Use TLS, or set {TRUST_FLAG} = true in the cluster file. Then anyone "
        f"who can reach the scheduler or a worker can run any code as you. An example:\n{example}",
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, reached through its loopback interface."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address)).is_loopback for address in found)
