"""Other users of the machine, who can reach the loopback interface as well, are kept out."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from distributed import Client

from survey.config import EngineSettings
from survey.engine.backends.base import ALLOCATION, TRIM_THRESHOLD
from survey.engine.cluster import connect

NOBODY = 65534
ENGINE = {"workers": 1, "memory_limit": "1GiB", "dashboard": False}

INTRUDER = f"""
import asyncio, os, pickle, sys
from distributed import Client, LocalCluster
from distributed.core import connect, send_recv
from survey.engine.backends.certificates import temporary_security

# All is imported first: nobody may not be allowed to read this installation.
with LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster:
    with Client(cluster) as client:
        client.run_on_scheduler(os.geteuid)
own = temporary_security().get_connection_args("client")
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})

async def run(address, operation, arguments):
    comm = await connect(address, timeout=3, **arguments)
    nothing = dict(args=pickle.dumps(()), kwargs=pickle.dumps({{}}))
    ran = await send_recv(comm, op=operation, function=pickle.dumps(os.geteuid), **nothing)
    return ran["result"]

async def attempt(*how):
    try:
        return "ran as " + str(await asyncio.wait_for(run(*how), 10))
    except BaseException as error:
        return "kept out: " + repr(error)

async def attempts():
    return await asyncio.gather(*(
        attempt(protocol + "://" + address, operation, arguments)
        for address in sys.argv[1:]
        for protocol, arguments in (("tcp", {{}}), ("tls", own))
        for operation in ("run_function", "run")  # of schedulers; of workers and nannies
    ))

print(*asyncio.run(attempts()), sep="\\n")
print("tried as", os.geteuid())
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process as nobody")


def intrude(*addresses: str) -> list[str]:
    """What a process of another user says that connects to these addresses."""
    bare = [address.partition("://")[2] for address in addresses]
    done = subprocess.run(
        [sys.executable, "-c", INTRUDER, *bare],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return done.stdout.splitlines()


def listening() -> list[str]:
    """All addresses at which this process and its children accept connections."""
    me = psutil.Process()
    return [
        f"tls://{connection.laddr.ip}:{connection.laddr.port}"
        for process in [me, *me.children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]


@as_root
def test_another_user_cannot_run_code_through_any_port_of_a_local_cluster() -> None:
    before = set(listening())
    with connect(EngineSettings(**ENGINE)) as client:
        opened = [address for address in listening() if address not in before]
        assert client.scheduler.address in opened
        assert len(opened) >= 4, "scheduler, its pages, nanny, worker"
        said = intrude(*opened)
        assert client.submit(sum, [1, 2]).result() == 3, "the cluster still works"
    assert said.pop() == f"tried as {NOBODY}"
    assert len(said) == 4 * len(opened)
    assert all(line.startswith("kept out:") for line in said), said


@as_root
def test_insecure_lets_another_user_in_as_it_says() -> None:
    with connect(EngineSettings(**ENGINE, insecure=True)) as client:
        assert client.scheduler.address.startswith("tcp://127.0.0.1:")
        said = intrude(*listening())
    assert said.count(f"ran as {os.geteuid()}") == 3, "scheduler, nanny and worker"


def test_every_cluster_has_a_key_of_its_own() -> None:
    with connect(EngineSettings(**ENGINE)) as one, connect(EngineSettings(**ENGINE)) as other:
        assert one.scheduler.address.startswith("tls://127.0.0.1:")
        with (
            pytest.raises(OSError, match="TLS certificate does not match"),
            Client(other.scheduler.address, security=one.security, timeout=2),
        ):
            pass


def test_keys_are_neither_on_a_command_line_nor_in_a_file_of_the_cluster() -> None:
    with connect(EngineSettings(**ENGINE)) as client:
        key = client.security.tls_client_key
        assert "PRIVATE KEY" in key
        for process in psutil.Process().children(recursive=True):
            assert "PRIVATE KEY" not in " ".join(process.cmdline())
        folders = client.run(lambda dask_worker: dask_worker.local_directory)
        found = [file for folder in folders.values() for file in Path(folder).rglob("*.pem")]
        assert not found


def test_workers_keep_the_thresholds_of_the_c_library_and_one_thread(monkeypatch) -> None:
    # A nanny sets its variables in this process, too: those of other tests are not meant.
    for name in (*ALLOCATION, "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with connect(EngineSettings(**ENGINE)) as client:
        (found,) = client.run(lambda: dict(os.environ)).values()
    assert TRIM_THRESHOLD not in found
    assert found["OMP_NUM_THREADS"] == found["MALLOC_ARENA_MAX"] == "1"
