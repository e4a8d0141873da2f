"""Debian's SLURM on this one machine: munged, slurmctld and slurmd in a folder of their own.

Everything listens on the loopback interface, and nothing of the system's own SLURM, if there is
one, is touched: a munge socket and key, ports, state and logs are all in the folder. It has to
be started by root, because slurmd starts jobs as their users.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deploy.ports import free_ports

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
START_S = 60.0

SLURM_CONF = """\
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_min_interval=100000
SlurmdParameters=config_overrides
KillWait=5
MinJobAge=10
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb}
PartitionName=main Nodes={host} Default=YES MaxTime=01:00:00 State=UP
"""


@dataclass(frozen=True)
class SlurmMachine:
    """A SLURM that runs; `environment` makes its commands find it."""

    folder: Path
    environment: dict[str, str]

    def call(self, *command: str) -> str:
        """Standard output of one of SLURM's commands."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}{self.logs()}")
        return done.stdout

    def jobs(self, state: str = "RUNNING") -> list[str]:
        """Numbers of the jobs in a state."""
        return self.call("squeue", "--noheader", "--format=%A", f"--states={state}").split()

    def logs(self) -> str:
        """The ends of the logs of the daemons."""
        texts = []
        for log in sorted(self.folder.rglob("*log*")):
            texts += [f"== {log.name}", *log.read_text(errors="replace").splitlines()[-30:]]
        return "\n".join(texts)


def missing_programs() -> list[str]:
    """Programs of Debian's slurm-wlm and munge that are not here."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextmanager
def slurm_machine(*, cpus: int = 2, memory_mb: int = 8000) -> Iterator[SlurmMachine]:
    """SLURM with one node, this machine, with as many processors as are said."""
    with TemporaryDirectory(prefix="slurm-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # munged runs as another user
        yield from _running_in(folder, cpus, memory_mb)


def _running_in(folder: Path, cpus: int, memory_mb: int) -> Iterator[SlurmMachine]:
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir()
    host = socket.gethostname().partition(".")[0]
    conf = folder / "slurm.conf"
    conf.write_text(
        SLURM_CONF.format(
            folder=folder, host=host, ports=free_ports(2), cpus=cpus, memory_mb=memory_mb
        )
    )
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    machine = SlurmMachine(folder, environment)
    with ExitStack() as daemons:
        key = folder / "munge" / "key-file"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        for path in (folder / "munge", key):
            shutil.chown(path, "munge", "munge")
        files = ("socket", "key-file", "pid-file", "seed-file", "log-file")
        munged = ["munged", "--foreground", *(f"--{name}={folder}/munge/{name}" for name in files)]
        daemons.enter_context(_daemon(munged, environment, folder / "munged.out.log", user="munge"))
        _wait(lambda: (folder / "munge" / "socket").exists(), machine)
        for command in (["slurmctld", "-D", "-f", str(conf)], ["slurmd", "-D", "-f", str(conf)]):
            daemons.enter_context(_daemon(command, environment, folder / f"{command[0]}.out.log"))
        _wait(lambda: "idle" in _quietly(machine, "sinfo", "--noheader", "--format=%T"), machine)
        yield machine
        _quietly(machine, "scancel", "--partition=main")


@contextmanager
def _daemon(
    command: list[str], environment: dict[str, str], log: Path, user: str | None = None
) -> Iterator[None]:
    with (
        log.open("w") as out,
        subprocess.Popen(command, env=environment, stdout=out, stderr=out, user=user) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _quietly(machine: SlurmMachine, *command: str) -> str:
    try:
        return machine.call(*command)
    except RuntimeError:
        return ""


def _wait(ready, machine: SlurmMachine) -> None:
    deadline = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"SLURM did not start\n{machine.logs()}")
        time.sleep(0.2)
