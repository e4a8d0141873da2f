"""Nothing listens beyond the loopback interface unless somebody asks for it."""

import json
import re
import shlex
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from survey.simulate import simulate_archive
from tests.deploy.conftest import ROOT, SURVEY, ended
from tests.deploy.ports import free_ports
from tests.engine.by_hand import dask_process

WAIT_S = 120.0
HEAD_NODE, NODE = "127.0.0.2", "127.0.0.3"
"""Two addresses of this machine, in place of the machines of the pages."""


def documents() -> list[Path]:
    """All files of deploy/ that may name a command."""
    return [path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file()]


def commands(path: Path) -> list[list[str]]:
    """The words of every `dask scheduler` and `dask worker` in a page or a comment."""
    text = re.sub(r"\\\n\s*", " ", path.read_text())
    found = re.findall(r"^[\s#]*(dask (?:scheduler|worker) [^`#\n]+)", text, flags=re.MULTILINE)
    return [shlex.split(command) for command in found]


def open_ports(process: psutil.Process) -> set[tuple[str, int]]:
    """Where a process and its children accept connections or datagrams."""
    found = set()
    for one in [process, *process.children(recursive=True)]:
        try:
            connections = one.net_connections("inet")
        except psutil.NoSuchProcess:
            continue
        found |= {
            (connection.laddr.ip, connection.laddr.port)
            for connection in connections
            if connection.status == psutil.CONN_LISTEN
            or (connection.status == psutil.CONN_NONE and not connection.raddr)
        }
    return found


def test_the_pages_name_commands() -> None:
    n_commands = sum(len(commands(path)) for path in documents())
    assert n_commands >= 6, "two by hand, two with certificates, two for Prometheus"


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_every_command_of_the_pages_says_where_it_listens(path: Path) -> None:
    for words in commands(path):
        assert "--host" in words, words
        assert words[words.index("--dashboard-address") + 1].startswith("127.0.0.1:"), words


def blocks() -> list[str]:
    """The pieces of the page about schedulers and workers that a person types."""
    text = (ROOT / "deploy" / "README.md").read_text()
    found = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [block for block in found if "dask scheduler" in block]


def environment_after(block: str) -> dict[str, str]:
    """The environment of a shell that has run all of a block but `dask` and `survey run`."""
    survey = "survey() { " + shlex.join(SURVEY) + ' "$@" >/dev/null; }'
    lines = re.sub(r"\\\n\s*", " ", block).splitlines()
    first = [line for line in lines if not line.startswith(("dask ", "survey run "))]
    script = "\n".join(["set -eu", survey, *first, "env -0"])
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if "=" in entry)


def wait_for(words: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_S
    while words not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def watched_run(
    arguments: list[str], environment: dict[str, str] | None = None
) -> tuple[dict[str, int], set[tuple[str, int]]]:
    """Counts of a `survey run`, and all sockets it had while it ran."""
    sockets: set[tuple[str, int]] = set()
    pipe = subprocess.PIPE
    with ended(
        subprocess.Popen(
            [*SURVEY, *arguments], env=environment, stdout=pipe, stderr=pipe, text=True
        )
    ) as process:
        while process.poll() is None:
            try:
                sockets |= open_ports(psutil.Process(process.pid))
            except psutil.NoSuchProcess:
                break
            time.sleep(0.3)
        out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out), sockets


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    simulate_archive(folder, 1, size=(10, 10), window=(12.5, 13.1), seed=2)
    return folder


@pytest.mark.slow
def test_a_running_survey_listens_on_loopback_alone(archive: Path, tmp_path: Path) -> None:
    options = ["--workers", "1", "--json", "--no-figures", "--out", str(tmp_path / "run")]
    counts, sockets = watched_run(["run", str(archive / "survey.toml"), *options])
    assert counts["computed"] == 1
    assert len(sockets) >= 5, "scheduler, its pages, nanny, worker, its pages"
    assert {ip for ip, _ in sockets} == {"127.0.0.1"}


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks(), ids=["this machine", "between machines"])
def test_the_commands_of_the_page_listen_where_they_say_and_run_a_survey(
    block: str, archive: Path, tmp_path: Path
) -> None:
    """A block as it stands, but for ports, names of machines and memory."""
    (port,) = free_ports(1)
    changes = {
        "/shared/certificates": str(tmp_path / "certificates"), "head-node": HEAD_NODE,
        "node1": NODE, "8786": str(port), ":8787": ":0", "--nworkers 4": "--nworkers 1",
        "4GiB": "1GiB", "survey.toml": str(archive / "survey.toml"),
    }  # fmt: skip
    for before, after in changes.items():
        block = block.replace(before, after)
    environment = environment_after(block) | {"PYTHONPATH": str(ROOT)}
    (tmp_path / "page.md").write_text(block)
    sockets: dict[str, set[str]] = {}
    with ExitStack() as stack:
        for words in commands(tmp_path / "page.md"):
            kind = words[1]
            log = tmp_path / f"{kind}.log"
            more = ["--local-directory", tmp_path] if kind == "worker" else []
            process = stack.enter_context(dask_process([*words[1:], *more], log, environment))
            wait_for({"scheduler": "Scheduler at", "worker": "Registered to"}[kind], log, process)
            sockets[kind] = {ip for ip, _ in open_ports(psutil.Process(process.pid))}
        (run,) = re.findall(r"^survey (run .*)", block, flags=re.MULTILINE)
        options = ["--json", "--no-figures", "--out", str(tmp_path / "run")]
        counts, driver = watched_run([*shlex.split(run), *options], environment)
    encrypted = "tls://" in block
    assert sockets["scheduler"] == {"127.0.0.1"} | ({HEAD_NODE} if encrypted else set())
    assert sockets["worker"] == {"127.0.0.1"} | ({NODE} if encrypted else set())
    assert driver == set()
    assert counts["computed"] == 1
