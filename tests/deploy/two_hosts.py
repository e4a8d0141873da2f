"""Two hosts on this machine, as the kernel makes them: each with a network, a name and mounts.

They are joined by one cable (a veth pair). What runs on a host is a command wrapped in
`ip netns exec` and `unshare`. It has to be started by root.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NETWORK = "10.213.77"


@dataclass(frozen=True)
class Host:
    """A host with an address; what is below `hidden` is not there."""

    name: str
    namespace: str
    address: str
    hidden: tuple[Path, ...] = ()

    def command(self, words: Sequence[object]) -> list[str]:
        """What runs a command on this host."""
        steps = ["mount --make-rprivate /", f"hostname {self.name}", "ip link set lo up"]
        steps += [f"mount -t tmpfs none {shlex.quote(str(folder))}" for folder in self.hidden]
        script = " && ".join([*steps, 'exec "$@"'])
        inside = ["unshare", "--mount", "--uts", "sh", "-c", script, "sh", *map(str, words)]
        return ["ip", "netns", "exec", self.namespace, *inside]

    def without(self, *folders: Path) -> Host:
        """The same host, as it looks to a process for which folders are not mounted."""
        return Host(self.name, self.namespace, self.address, folders)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts that reach each other; they are gone after the block."""
    names = [f"survey-{os.getpid()}-{number}" for number in (1, 2)]
    cables = [f"sv{os.getpid() % 10**8}{end}" for end in "ab"]
    with ExitStack() as stack:
        for name in names:
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
        _ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1])
        hosts = []
        for number, (name, cable) in enumerate(zip(names, cables, strict=True), start=1):
            address = f"{NETWORK}.{number}"
            _ip("link", "set", cable, "netns", name)
            _ip("-n", name, "address", "add", f"{address}/24", "dev", cable)
            _ip("-n", name, "link", "set", cable, "up")
            hosts.append(Host(f"node{number}", name, address))
        yield hosts[0], hosts[1]


@cache
def why_not() -> str:
    """Why this machine cannot have two hosts; "" if it can."""
    if os.geteuid() != 0:
        return "only root can make network namespaces and mounts"
    try:
        with two_hosts() as (first, second):
            command = second.without(Path("/mnt")).command(["true"])
            subprocess.run(command, check=True, capture_output=True, text=True)
            assert first.address != second.address
    except FileNotFoundError as error:
        return f"no command {error.filename}"
    except subprocess.CalledProcessError as error:
        return f"this machine allows no namespaces: {error.stderr.strip()}"
    return ""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
