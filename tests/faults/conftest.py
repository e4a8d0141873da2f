"""One archive and one undisturbed run of it, shared by all processes of pytest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from tests.faults.archive import Archive, make_archive
from tests.faults.disks import small_disk, why_no_small_disk
from tests.faults.series import Series, observed, undisturbed_run

SEED = 2
N_GOOD = 5

Observe = Callable[..., AbstractContextManager[Series]]


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> tuple[Archive, Path, dict[str, str]]:
    """The archive, the folder of its undisturbed run, and the digests of its catalog."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "faults"
    facts = shared / "facts.json"
    with FileLock(f"{shared}.lock"):
        if not facts.exists():
            archive = make_archive(shared / "archive", N_GOOD, seed=SEED)
            digests, _ = undisturbed_run(archive, shared / "undisturbed")
            archive.save(shared / "archive.json")
            facts.write_text(json.dumps(digests))
    archive = Archive.load(shared / "archive.json")
    return archive, shared / "undisturbed" / "run", json.loads(facts.read_text())


@pytest.fixture
def observe(undisturbed: tuple[Archive, Path, dict[str, str]], tmp_path: Path) -> Observe:
    """A series of runs in a new run directory; after the block nothing may be violated."""
    archive, _, digests = undisturbed

    @contextmanager
    def observe(archive: Archive = archive, *, root: Path = tmp_path / "run") -> Iterator[Series]:
        with observed(archive, root, tmp_path / "log", digests) as series:
            yield series
        assert series.readings > 0, "the catalog was never read"
        assert not series.found, "\n".join(series.found)

    return observe


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB and 3,000 files."""
    if why := why_no_small_disk():
        pytest.skip(why)
    with small_disk(tmp_path / "disk", 16, 3000) as path:
        yield path
