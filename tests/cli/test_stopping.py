"""A survey that is stopped, or whose disk is full: as a user's shell sees it."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from catalogs import open_catalog
from catalogs.verify import verify
from survey.pipeline.run.status import read_status
from survey.simulate import simulate_archive

SURVEY = [sys.executable, "-c", "from survey.cli import main; main()"]
N_GALAXY = 4
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings file of a few small galaxies."""
    folder = tmp_path_factory.mktemp("many")
    simulate_archive(folder, N_GALAXY, size=(12, 12), window=(12.4, 13.2), seed=8)
    return folder / "survey.toml"


@contextmanager
def running(
    settings: Path, root: Path, *options: object, **popen: object
) -> Iterator[subprocess.Popen[str]]:
    """`survey run` in a session of its own; no process of it outlives the block."""
    command = [*SURVEY, "run", settings, "--out", root, "--workers", 2, "--no-figures"]
    command += ["--no-dashboard", *options]
    with subprocess.Popen(
        list(map(str, command)), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True, **popen,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_a_galaxy(process: subprocess.Popen[str]) -> None:
    for line in process.stderr:
        if line.startswith("computed"):
            return
    raise AssertionError("no galaxy was computed")


def finish(settings: Path, root: Path) -> dict[str, int]:
    """Run the same command to its end; how many galaxies ended how."""
    with running(settings, root, "--json") as process:
        out, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert all(check.ok for check in verify(root))
    assert len(open_catalog(root).galaxies) == N_GALAXY
    assert open_catalog(root).quarantine.empty
    return json.loads(out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_system_that_asks_to_stop_gets_what_is_under_way_published(many, tmp_path, number):
    """The whole group of processes hears of it, workers too, as under systemd or SLURM."""
    with running(many, tmp_path, "--set", "engine.drain_s=100") as process:
        wait_for_a_galaxy(process)
        os.killpg(process.pid, number)
        rest = process.stderr.read()
        assert process.wait(150) == 75, rest
    assert f"stopped by {number.name}" in rest
    assert "Traceback" not in rest
    n_published = len(open_catalog(tmp_path).galaxies)
    under_way = re.search(r"for (\d+) galaxies under way", rest)
    assert n_published >= 1 + (int(under_way[1]) if under_way else 0)
    assert n_published < N_GALAXY, "it came too late"
    assert open_catalog(tmp_path).quarantine.empty
    assert read_status(tmp_path).state == "interrupted"
    if number == signal.SIGTERM:  # Once: the run that follows is the same.
        assert finish(many, tmp_path)["reused"] >= n_published


def test_a_second_ctrl_c_ends_at_once_and_without_a_word(many, tmp_path):
    begun = time.monotonic()
    with running(many, tmp_path) as process:
        wait_for_a_galaxy(process)
        pace_s = time.monotonic() - begun
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        start = time.monotonic()
        code = process.wait(60)
        # No fixed time: on a busy machine all takes longer.
        assert time.monotonic() - start < pace_s / 4
        rest = process.stderr.read()
    assert code == 75
    assert "Traceback" not in rest
    assert "error" not in rest
    finish(many, tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system in memory of a given size."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=False)


def fill(disk: Path) -> Path:
    """A file that takes all the room but a little."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with ballast.open("wb") as file:
        for _ in range(0, free - (256 << 10), 1 << 16):
            file.write(bytes(1 << 16))
    return ballast


def use_up_inodes(disk: Path) -> Path:
    """A folder with so many files that a galaxy finds few inodes left."""
    folder = disk / "ballast"
    folder.mkdir()
    for number in range(os.statvfs(disk).f_favail - 30):
        (folder / str(number)).touch()
    return folder


def remove(ballast: Path) -> None:
    subprocess.run(["rm", "-rf", str(ballast)], check=True)


@pytest.mark.parametrize(
    ("options", "use_up", "needed"),
    [("size=96m", fill, "free space"), ("size=96m,nr_inodes=4000", use_up_inodes, "free inodes")],
    ids=["bytes", "inodes"],
)
def test_a_full_disk_ends_in_75_with_the_path_and_blames_nobody(
    many, small_disk, options, use_up, needed
):
    disk = small_disk(options)
    ballast = use_up(disk)
    root = disk / "run"
    with running(many, root, "--set", "engine.patience_s=5") as process:
        _, errors = process.communicate(timeout=200)
    assert process.returncode == 75, errors
    assert "No space left on device" in errors
    assert needed in errors
    assert str(root) in errors
    assert "Traceback" not in errors
    assert "quarantined" not in errors
    if use_up is fill:  # Once: the run that follows is the same.
        remove(ballast)
        assert finish(many, root)["computed"] == N_GALAXY


def test_a_limit_of_the_size_of_files_is_named(many, tmp_path):
    limit = 60_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    options = ["--set", "engine.patience_s=3"]
    with running(many, tmp_path, *options, preexec_fn=limited) as process:
        _, errors = process.communicate(timeout=200)
    assert process.returncode == 75, errors
    assert "File too large" in errors
    assert f"{limit} bytes (ulimit -f)" in errors
    assert "Traceback" not in errors
