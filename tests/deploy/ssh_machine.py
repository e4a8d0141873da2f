"""A throwaway sshd on a loopback port, with keys of its own; it has to be started by root."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.ports import free_ports

SSHD = "/usr/sbin/sshd"
SSHD_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile {folder}/pid
AuthorizedKeysFile {folder}/user_key.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
SetEnv PYTHONPATH={python_path}
"""
START_S = 20.0


@dataclass(frozen=True)
class SshMachine:
    """An sshd that runs: where, and the files to get in."""

    port: int
    key: Path
    known_hosts: Path

    @property
    def settings(self) -> str:
        """The lines of a cluster file about it."""
        return (
            f'hosts = ["127.0.0.1"]\nuser = "root"\nport = {self.port}\n'
            f'keys = ["{self.key}"]\nknown_hosts = "{self.known_hosts}"\n'
        )


@contextmanager
def ssh_machine(folder: Path, python_path: Path) -> Iterator[SshMachine]:
    """An sshd whose files are in `folder`; sessions get `python_path` as their PYTHONPATH."""
    (port,) = free_ports(1)
    for name in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    host_key = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    config = folder / "sshd_config"
    config.write_text(SSHD_CONFIG.format(port=port, folder=folder, python_path=python_path))
    Path("/run/sshd").mkdir(exist_ok=True)  # sshd's own, and empty
    log = (folder / "log").open("w")
    with log, subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=log) as sshd:
        try:
            deadline = time.monotonic() + START_S
            while "Server listening" not in (folder / "log").read_text():
                if sshd.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"sshd did not start\n{(folder / 'log').read_text()}")
                time.sleep(0.1)
            yield SshMachine(port, folder / "user_key", folder / "known_hosts")
        finally:
            sshd.terminate()


def can_be_started() -> bool:
    """Whether this machine has an sshd, and we may start it."""
    return os.geteuid() == 0 and Path(SSHD).exists()
