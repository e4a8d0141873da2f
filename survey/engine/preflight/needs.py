"""What a worker has to have before it gets galaxies, and how it is asked.

It has to see the run directory: a file that the driver wrote, and the driver has to see one that
the worker wrote. It has to see the cubes: a sample of those that the driver, or another worker,
sees. It has to be able to write where scratch files go. What else it has (processors, memory,
threads of the numerical libraries) is compared with what its workers use.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import socket
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dask.system import CPU_COUNT
from distributed.system import MEMORY_LIMIT

from survey.cubes.node_scratch import expanded_scratch
from survey.errors import ConfigError
from survey.machine_faults import LIMITS

PREFLIGHT = ".preflight"
"""Folder of a run with the files by which driver and workers find out that they see the same."""

MOST_FILES = 20
ANSWER_S = 60.0
"""A worker that does not answer for so long has a file system that hangs."""

AGAIN_S = 10.0
"""A worker that lacks something is not looked at more often than this."""

SHOWN_FILES = 3


@dataclass(frozen=True)
class Needs:
    """What a survey needs of every worker.

    Parameters
    ----------
    folder : Path
        `PREFLIGHT` in the run directory.
    token : str
        Name and content of the file that the driver wrote there.
    files : tuple of (Path, int)
        Cubes, with their size in bytes.
    scratch : str, optional
        Where scratch files go, as in the settings; the run directory by default.
    """

    folder: Path
    token: str
    files: tuple[tuple[Path, int], ...] = ()
    scratch: str | None = None


@dataclass(frozen=True)
class Facts:
    """What a worker says about itself.

    `group` tells processes apart that share processors and memory (of a machine, a job, a pod).
    `faults` are what it lacks, `written` is the name of the file that it left for the driver, and
    `sizes` are those of the cubes; None for cubes that it cannot read.
    """

    host: str
    group: str
    n_cpu: int
    memory_bytes: int
    blas_threads: int
    scratch_free_bytes: int | None
    faults: tuple[str, ...] = ()
    written: str = ""
    sizes: tuple[int | None, ...] = ()
    n_thread: int = 1
    limit_bytes: int = 0
    lifetime_s: float | None = None


def sample_of(files: Sequence[Path]) -> tuple[Path, ...]:
    """At most `MOST_FILES` files, evenly from all."""
    step = max(1, -(-len(files) // MOST_FILES))
    return tuple(files[::step])


def size_of_readable(path: Path) -> int | None:
    """The size of a file in bytes; None if it cannot be read here."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            file.read(1)
        return path.stat().st_size
    except OSError:
        return None


def write_token(needs: Needs) -> None:
    """Write the file that workers look for; by the driver."""
    needs.folder.mkdir(exist_ok=True)
    (needs.folder / needs.token).write_text(needs.token)


async def examine(needs: Needs, dask_worker: Any) -> Facts:
    """Look at this worker, in a thread: a file system that hangs must not stop its messages.

    Raises
    ------
    TimeoutError
        If it takes longer than `ANSWER_S`.
    """
    facts = await asyncio.wait_for(asyncio.to_thread(look_around, needs), ANSWER_S)
    _looked[needs.token] = (facts, time.monotonic())
    return replace(
        facts,
        n_thread=dask_worker.state.nthreads,
        limit_bytes=int(dask_worker.memory_manager.memory_limit or 0),
        lifetime_s=dask_worker.lifetime,
    )


_looked: dict[str, tuple[Facts, float]] = {}


def lacking_here(needs: Needs) -> str:
    """What this process lacks, in words; looked up once, and again if it lacked something.

    So a worker that joined a moment ago gets no galaxy either, before the driver has asked it.
    """
    facts, when = _looked.get(needs.token, (None, 0.0))
    if facts is not None:
        fault = lacking(facts, needs)
        if not fault or time.monotonic() - when < AGAIN_S:
            return fault
    facts = look_around(needs)
    if facts.written:
        (needs.folder / facts.written).unlink(missing_ok=True)
    _looked[needs.token] = (facts, time.monotonic())
    return lacking(facts, needs)


def look_around(needs: Needs) -> Facts:
    """What this process sees and has."""
    faults, written = _run_directory(needs)
    free = None
    try:
        scratch = needs.folder.parent if needs.scratch is None else _scratch_folder(needs.scratch)
        free = shutil.disk_usage(scratch).free
    except ConfigError as error:
        faults.append(str(error))
    except OSError as error:
        if needs.scratch is not None and not _is_full(error):
            faults.append(f"cannot write to its scratch folder ({error})")
    return Facts(
        host=socket.gethostname(),
        group=_group(),
        n_cpu=CPU_COUNT,
        memory_bytes=int(MEMORY_LIMIT),
        blas_threads=_blas_threads(),
        scratch_free_bytes=free,
        faults=tuple(faults),
        written=written,
        sizes=tuple(size_of_readable(path) for path, _ in needs.files),
    )


def lacking(facts: Facts, needs: Needs) -> str:
    """What a worker lacks, in words; "" if it has everything."""
    sizes = [
        (path, size, found) for (path, size), found in zip(needs.files, facts.sizes, strict=True)
    ]
    missing = [str(path) for path, size, found in sizes if size >= 0 and found is None]
    others = [
        f"{path} has {found} bytes instead of {size}"
        for path, size, found in sizes
        if size >= 0 and found not in (None, size)
    ]
    faults = list(facts.faults)
    if missing:
        names = ", ".join(missing[:SHOWN_FILES])
        faults.append(f"cannot read {len(missing)} of {len(sizes)} cubes ({names})")
    if others:
        faults.append("sees other cubes: " + ", ".join(others[:SHOWN_FILES]))
    return "; ".join(faults)


def seen_by_somebody(
    needs: Needs, here: Mapping[Path, int], growing: Iterable[Path], answers: Iterable[Facts]
) -> Needs:
    """The needs, with sizes of the cubes that somebody sees; -1 means that nothing is asked.

    A cube that nobody sees is not there, which is no worker's fault; one that is being written has
    no size yet.

    Parameters
    ----------
    needs : Needs
    here : dict of Path and int
        Sizes of the cubes that the driver sees.
    growing : iterable of Path
        Those that are being written.
    answers : iterable of Facts
    """
    answers, growing = list(answers), set(growing)
    files = []
    for number, (path, _) in enumerate(needs.files):
        there = (facts.sizes[number] for facts in answers)
        size = here.get(path, next((size for size in there if size is not None), -1))
        files.append((path, -1 if path in growing else size))
    return replace(needs, files=tuple(files))


def _run_directory(needs: Needs) -> tuple[list[str], str]:
    """What is wrong with the run directory, and the name of a file written there."""
    root = needs.folder.parent
    try:
        token = (needs.folder / needs.token).read_text()
    except OSError as error:
        return [f"does not see the run directory {root} ({error.strerror})"], ""
    if token != needs.token:
        return [f"sees another run directory {root}"], ""
    name = f"{needs.token}.{uuid.uuid4().hex}"
    try:
        (needs.folder / name).write_text(name)
    except OSError as error:
        if _is_full(error):
            return [], ""  # The survey waits for room.
        return [f"cannot write to the run directory {root} ({error.strerror})"], ""
    return [], name


def _is_full(error: OSError) -> bool:
    return error.errno in LIMITS and error.errno != errno.EROFS


def _scratch_folder(setting: str) -> Path:
    """The folder of scratch files on this machine, in which a file has been written."""
    folder = expanded_scratch(setting)
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f"preflight-{uuid.uuid4().hex}"
    probe.touch()
    probe.unlink()
    return folder


def _group() -> str:
    try:
        return socket.gethostname() + Path("/proc/self/cgroup").read_text()
    except OSError:
        return socket.gethostname()


def _blas_threads() -> int:
    """Threads that numerical libraries use in one call here."""
    import numpy  # noqa: F401  (its library is what is asked)
    from threadpoolctl import threadpool_info

    found = [int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max(found, default=1)
