"""Superseded results go, what the catalog was made of stays, and work that is not published too."""

import pytest

from catalogs import open_catalog
from catalogs.owners import Process, owned_name
from catalogs.verify import verify
from survey.config import build_settings
from survey.errors import ConfigError
from survey.pipeline.run.ledger import Ledger
from survey.pipeline.run.prune import prune
from survey.pipeline.run.survey import run_survey

OTHER = {
    "cut": {"criterion": "fixed", "k": 4},
    "prepare": {"snr_min": 2.5},
    "store": {"chunk_spaxels": 64},
    "report": {"figures": False},
}


@pytest.fixture(scope="module")
def changed(tmp_path_factory, targets, settings, cluster):
    """A run whose settings were changed from the store on, and of which one galaxy was dropped."""
    root = tmp_path_factory.mktemp("changed")
    run_survey(root, targets, settings, cluster)
    run_survey(root, targets[:1], build_settings(OTHER), cluster)
    return root


def stages(folders):
    return sorted(folder.name.split("-")[0] for folder in folders)


def test_nothing_is_removed_unless_asked_for(changed):
    found = prune(changed)
    # Two galaxies of before: a cube and two parts of each.
    assert stages(found.folders) == ["SIM"] * 2 + ["commit"] * 2 + ["tree"] * 2
    assert all(folder.exists() for folder in found.folders)
    assert found.n_bytes > 1e5


def test_a_run_that_was_interrupted_is_left_alone(changed, targets):
    ledger = Ledger(changed)
    content = ledger.path.read_bytes()
    ledger.begin(2)
    with pytest.raises(ConfigError, match="is not complete; found interrupted"):
        prune(changed, remove=True)
    ledger.path.write_bytes(content)
    assert len(prune(changed).folders) == 6


def test_what_is_left_is_the_catalog_and_nothing_is_computed_again(changed, targets, cluster):
    prune(changed, remove=True)
    assert prune(changed).folders == ()
    assert all(check.ok for check in verify(changed))
    results = run_survey(changed, targets[:1], build_settings(OTHER), cluster)
    assert results.count("reused") == 1
    (store,) = changed.glob("cubes/*.zarr")
    assert store.name.startswith(open_catalog(changed).galaxies["galaxy"][0])


def test_unfinished_work_of_killed_processes_is_listed_and_removed(changed):
    dead = Process("node17", "0123abcd", 12, "34")
    left = [
        changed / ".inflight" / f"{dead.tag}~1",
        changed / "cubes" / f".SIM-001.zarr.{dead.tag}~1.partial",
        changed / ".scratch" / "SIM-001-0123abcd",
        changed / ".versions" / ".building",
    ]
    for folder in (*left, running := changed / ".inflight" / owned_name()):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(bytes(1000))
    found = prune(changed)
    assert set(found.folders) >= set(left)
    assert running not in found.folders
    assert found.n_bytes >= 4000
    prune(changed, remove=True)
    assert not any(folder.exists() for folder in left)
    assert running.exists()
    assert prune(changed).folders == ()
