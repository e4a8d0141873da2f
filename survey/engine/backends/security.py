"""Who may connect to a cluster: TLS, and what is said about connections without it.

Anybody who can connect to a Dask scheduler can run code as the user who started it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from distributed import Security

from survey.config.base import SettingsTable
from survey.engine.backends.base import NearFile, Warn
from survey.engine.backends.certificates import tls_options
from survey.errors import ConfigError

TRUST_FLAG = "trust_everyone_on_the_network"
COMMAND = "survey cluster certificates DIR"


class TlsFiles(SettingsTable):
    """Files for TLS, in PEM format: the certificate authority, and our certificate and key."""

    ca: NearFile
    certificate: NearFile
    key: NearFile

    def options(self) -> dict[str, str | bool]:
        """Arguments of `distributed.Security`, the same certificate in every role."""
        return tls_options(str(self.ca), str(self.certificate), str(self.key))

    def security(self) -> Security:
        """The same for Dask."""
        return Security(**self.options())


def check_plain(hosts: Iterable[str], *, trust: bool, example: str, warn: Warn) -> None:
    """Refuse connections to other machines without encryption, and warn of those to this one.

    Raises
    ------
    ConfigError
        If a host is another machine and `trust` is false.
    """
    if trust:
        return
    others = [host for host in hosts if not is_loopback(host)]
    if not others:
        warn(
            "the connection to the scheduler is not encrypted: every user of this machine can run "
            f"any code as you through it. `{COMMAND}` makes certificates for tls://; "
            "--insecure says that you know."
        )
        return
    raise ConfigError(
        f"the connection to {', '.join(others)} would not be encrypted",
        expected="TLS (tls://), or only loopback addresses",
        advice=f"`{COMMAND}` makes certificates and says how to use them. Or say --insecure, or "
        f"{TRUST_FLAG} = true in the cluster file: then anyone who can reach the scheduler or a "
        f"worker can run any code as you. An example:\n{example}",
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, reached through its loopback interface."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address)).is_loopback for address in found)
