"""Trees of one galaxy by every path, and what the catalog says of it."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from catalogs.parts import Receipt
from survey.clustering.criteria import partition
from survey.config import build_settings
from survey.cubes.scratch import SCRATCH
from survey.engine.cluster import Cluster
from survey.errors import MemoryNeeded
from survey.pipeline.galaxy import choose_tree_path, costs, stages
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.task import GalaxyTask, process_galaxy
from survey.pipeline.galaxy.tree import TreeResult
from survey.pipeline.galaxy.tree_paths import fastcluster, strip_tasks


def rows_of(part, table):
    """A table of a part, whatever its columns."""
    return pd.read_feather(BytesIO(Receipt.read(part).read_bytes(f"{table}.arrow")))


EXACT = ("chain", "rounds")


def galaxy_by(path, target, root, *, memory_bytes=None, **linkage):
    settings = build_settings(
        {
            "cut": {"criterion": "fixed", "k": 4},
            "distance": {"dtype": "float32"},
            "linkage": {"path": path, **linkage},
            "report": {"figures": False},
        }
    )
    return GalaxyRunner(target, settings, root, memory_bytes)


def outcome(galaxy):
    """Tree, labels of the spaxels, and the row of the galaxy."""
    part = galaxy.result().path
    tree = TreeResult.load(galaxy.get("tree")).tree
    spaxels, galaxies = (rows_of(part, name) for name in ("spaxels", "galaxies"))
    return tree, spaxels["cluster"].to_numpy(), galaxies.iloc[0]


@pytest.fixture(scope="module")
def exact(targets, tmp_path_factory):
    """The tree by fastcluster, of spectra in memory."""
    return outcome(galaxy_by("fastcluster", targets[0], tmp_path_factory.mktemp("exact")))


@pytest.fixture
def in_strips(monkeypatch):
    """Strips so short that a small galaxy has several."""
    monkeypatch.setattr(costs, "strip_length", lambda *arguments: 40)


@pytest.fixture
def on_disk(monkeypatch):
    """Spectra on disk, however few."""
    monkeypatch.setattr(choose_tree_path, "IN_MEMORY_SPAXELS", 0)


@pytest.mark.parametrize("path", EXACT)
@pytest.mark.usefixtures("in_strips", "on_disk")
def test_exact_paths_give_the_same_partitions(targets, tmp_path, exact, path):
    tree, labels, row = outcome(galaxy_by(path, targets[0], tmp_path))
    assert row["linkage_path"] == path
    # Single precision: the smallest heights are right to a part of the usual one.
    heights = exact[0][:, 2]
    np.testing.assert_allclose(tree[:, 2], heights, rtol=1e-4, atol=1e-4 * np.median(heights))
    for k in range(2, 21):
        np.testing.assert_array_equal(partition(tree, k), partition(exact[0], k))
    np.testing.assert_array_equal(labels, exact[1])


@pytest.mark.usefixtures("in_strips")
def test_two_stages_of_micro_clusters_of_one_spaxel_are_the_exact_tree(targets, tmp_path, exact):
    n = len(exact[0]) + 1
    tree, labels, row = outcome(galaxy_by("two-stage", targets[0], tmp_path, micro_clusters=n))
    assert row["linkage_path"] == "two-stage"
    np.testing.assert_array_equal(partition(tree, 6), partition(exact[0], 6))
    np.testing.assert_array_equal(labels, exact[1])


@pytest.mark.usefixtures("in_strips", "on_disk")
def test_a_two_stage_tree_makes_a_whole_galaxy(targets, tmp_path):
    tree, labels, row = outcome(galaxy_by("two-stage", targets[0], tmp_path, micro_clusters=40))
    assert row["linkage_path"] == "two-stage"
    assert sorted(set(labels)) in ([0, 1, 2, 3, 4], [1, 2, 3, 4])
    assert (np.diff(tree[:, 2]) >= 0).all()
    assert not list((tmp_path / SCRATCH).iterdir()), "the scratch is removed"


@pytest.mark.usefixtures("on_disk")
def test_spectra_on_disk_change_nothing(targets, tmp_path, exact):
    galaxy = galaxy_by("fastcluster", targets[0], tmp_path)
    tree, labels, _ = outcome(galaxy)
    np.testing.assert_array_equal(tree, exact[0])
    np.testing.assert_array_equal(labels, exact[1])


def _process_in_strips(task):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "strip_length", lambda *arguments: 40)
        patch.setattr(choose_tree_path, "IN_MEMORY_SPAXELS", 0)
        patch.setattr(strip_tasks, "WORTH_SPREADING_S", 0.0)
        return process_galaxy(task)


@pytest.mark.parametrize("path", [*EXACT, "two-stage"])
def test_a_galaxy_spread_over_a_cluster_is_the_same_galaxy(
    targets, tmp_path, cluster: Cluster, path, monkeypatch
):
    alone = galaxy_by(path, targets[0], tmp_path / "alone", micro_clusters=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "strip_length", lambda *arguments: 40)
        expected, labels, _ = outcome(alone)
    task = GalaxyTask(targets[0], alone.settings, tmp_path / "spread")
    report = cluster.submit(_process_in_strips, task, pure=False).result()
    assert report.failure is None
    spread = galaxy_by(path, targets[0], tmp_path / "spread", micro_clusters=40)
    tree, found, _ = outcome(spread)
    assert not spread.computed, "it is what the cluster has committed"
    np.testing.assert_allclose(tree, expected, rtol=1e-6)
    np.testing.assert_array_equal(found, labels)


@pytest.mark.usefixtures("on_disk")
def test_large_galaxies_are_cut_by_a_sample_on_every_path(targets, tmp_path, exact, monkeypatch):
    monkeypatch.setattr(fastcluster, "EXACT_CUT_SPAXELS", 0)
    monkeypatch.setattr(stages, "SAMPLE_SPAXELS", 60)
    settings = {"cut": {"criterion": "auto", "k_min": 2, "k_max": 5}}
    galaxies = [
        GalaxyRunner(
            targets[0], build_settings(settings | {"linkage": {"path": path}}), tmp_path / path
        )
        for path in ("fastcluster", "chain")
    ]
    first, second = (outcome(galaxy)[1] for galaxy in galaxies)
    items = TreeResult.load(galaxies[0].get("tree")).items
    assert len(items) == 60
    np.testing.assert_array_equal(first, second)


def test_an_approximate_tree_is_noted(targets, tmp_path):
    settings = galaxy_by("two-stage", targets[0], tmp_path, micro_clusters=40).settings
    task = GalaxyTask(targets[0], settings, tmp_path)
    assert any("two-stage" in note for note in process_galaxy(task).notes)
    assert not process_galaxy(task).notes, "nothing was computed"


def test_a_path_that_does_not_fit_asks_for_another_worker_before_it_starts(targets, tmp_path):
    galaxy = galaxy_by("fastcluster", targets[0], tmp_path)
    task = GalaxyTask(targets[0], galaxy.settings, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("survey.pipeline.galaxy.task.memory_here_bytes", lambda: 100 * 2**20)
        with pytest.raises(MemoryNeeded, match=r"engine\.memory_limit"):
            process_galaxy(task)
