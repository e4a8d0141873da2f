"""Galaxies clustered by a representation of their spectra, on every path."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survey.clustering.criteria import adjusted_rand, partition
from survey.config import DistanceSettings, build_settings
from survey.engine import costs, memory
from survey.engine.cluster import Cluster
from survey.engine.costs import Work
from survey.errors import ConfigError, DataError
from survey.latent.grid import Grid
from survey.latent.methods import make_representation
from survey.pipeline import strip_work
from survey.pipeline.galaxy import Galaxy
from survey.pipeline.linking import SEED, Linked
from survey.pipeline.plan import plan_run
from survey.pipeline.representing import n_latents, what_is_compared
from survey.pipeline.task import GalaxyTask, process_galaxy
from tests.latent.toys import counted, measured

ROOT = Path(__file__).resolve().parents[2]
REPRESENTATIONS = ("spectrum", "pca", "nmf", "latent")
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)


def marked(names):
    return [pytest.param(n, marks=needs_torch if n == "latent" else ()) for n in names]


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    """A network that learns for two epochs."""
    monkeypatch.setattr("survey.pipeline.representing.EPOCHS", 2)


def galaxy_by(representation, target, root, *, linkage=None, memory_bytes=None, **distance):
    settings = build_settings(
        {
            "cut": {"criterion": "fixed", "k": 4},
            "distance": {"representation": representation, "latents": 5} | distance,
            "linkage": linkage or {},
            "report": {"figures": False},
        }
    )
    return Galaxy(target, settings, root, memory_bytes)


def outcome(galaxy):
    """Tree, rows of the spaxels, and the row of the galaxy."""
    part = galaxy.result().path
    tables = (pd.read_feather(part / f"{name}.arrow") for name in ("spaxels", "galaxies"))
    spaxels, galaxies = tables
    return Linked.load(galaxy.linkage.path).tree, spaxels, galaxies.iloc[0]


def distances_of(compared):
    rows = np.asarray(compared.rows[:], dtype=np.float64)
    return np.linalg.norm(rows[:, np.newaxis] - rows, axis=2)


@pytest.mark.parametrize("representation", marked(REPRESENTATIONS))
def test_a_galaxy_is_clustered_by_any_representation(targets, tmp_path, representation):
    tree, spaxels, row = outcome(galaxy_by(representation, targets[0], tmp_path))
    assert row["representation"] == representation
    assert row["n_cluster"] == 4
    assert set(spaxels["cluster"]) - {0} == {1, 2, 3, 4}
    assert (np.diff(tree[:, 2]) >= 0).all()
    assert np.isfinite(spaxels.loc[spaxels["cluster"] > 0, "shift_km_s"]).all()


@pytest.mark.parametrize("representation", marked(REPRESENTATIONS[1:]))
def test_a_galaxy_has_one_result(targets, tmp_path, representation):
    first, second = (
        outcome(galaxy_by(representation, targets[0], tmp_path / name))[0] for name in "ab"
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("path", ["chain", "rounds", "two-stage", "aligned"])
def test_all_paths_agree_on_a_representation(targets, tmp_path, path, monkeypatch):
    monkeypatch.setattr(costs, "strip_length", lambda *arguments: 40)
    monkeypatch.setattr(memory, "IN_MEMORY_SPAXELS", 0)
    # The path of vectors takes no noise off; with it kept, all are Ward's tree of points.
    exact, labels, row = outcome(
        galaxy_by("pca", targets[0], tmp_path / "a", linkage={"path": "fastcluster"}, noise="keep")
    )
    linkage = {"path": path, "micro_clusters": len(exact) + 1}
    found, others, other = outcome(
        galaxy_by("pca", targets[0], tmp_path / "b", linkage=linkage, noise="keep")
    )
    assert other["linkage_path"] == path
    for k in (2, 4, 8):
        assert adjusted_rand(partition(found, k), partition(exact, k)) == 1.0
    np.testing.assert_array_equal(others["cluster"], labels["cluster"])
    assert other["at_limit_fraction"] == row["at_limit_fraction"]


def test_spectra_on_disk_change_nothing_of_a_representation(targets, tmp_path, monkeypatch):
    tree, spaxels, _ = outcome(galaxy_by("nmf", targets[0], tmp_path / "memory"))
    monkeypatch.setattr(memory, "IN_MEMORY_SPAXELS", 0)
    again, others, _ = outcome(galaxy_by("nmf", targets[0], tmp_path / "disk"))
    np.testing.assert_array_equal(again, tree)
    pd.testing.assert_frame_equal(others, spaxels)


def _process_in_strips(task):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "strip_length", lambda *arguments: 40)
        patch.setattr(memory, "IN_MEMORY_SPAXELS", 0)
        patch.setattr(strip_work, "WORTH_SPREADING_S", 0.0)
        return process_galaxy(task)


def test_a_representation_spread_over_a_cluster_is_the_same(targets, tmp_path, cluster: Cluster):
    linkage = {"path": "chain"}
    expected, labels, _ = outcome(galaxy_by("pca", targets[0], tmp_path / "a", linkage=linkage))
    galaxy = galaxy_by("pca", targets[0], tmp_path / "b", linkage=linkage)
    task = GalaxyTask(targets[0], galaxy.settings, tmp_path / "b")
    assert cluster.submit(_process_in_strips, task, pure=False).result().failure is None
    tree, spaxels, _ = outcome(galaxy)
    assert not galaxy.computed, "it is what the cluster has committed"
    np.testing.assert_allclose(tree[:, 2], expected[:, 2], rtol=1e-3)
    np.testing.assert_array_equal(spaxels["cluster"], labels["cluster"])


def test_torch_is_for_networks_alone(targets, tmp_path):
    lines = (
        "import sys",
        "from pathlib import Path",
        "from survey.pipeline.targets import read_targets",
        "from tests.pipeline.test_representing import galaxy_by",
        f"target = read_targets(Path({str(targets[0].files[0].parent / 'targets.ecsv')!r}))[0]",
        f"galaxy_by('nmf', target, Path({str(tmp_path)!r})).result()",
        "assert 'torch' not in sys.modules",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, cwd=ROOT)


def test_shifts_are_still_those_of_spectra(targets, tmp_path):
    galaxy = galaxy_by("pca", targets[0], tmp_path)
    _, spaxels, _ = outcome(galaxy)
    limit = galaxy.prepared.max_shift
    shifts = spaxels["shift_samples"].dropna()
    assert limit == 6
    assert shifts.abs().max() <= limit
    for _, members in spaxels[spaxels["cluster"] > 0].groupby("cluster"):
        assert (members["shift_samples"] == 0).any(), "the medoid is not moved against itself"


@pytest.mark.parametrize("representation", ["pca", "nmf"])
def test_distances_of_a_representation_do_not_depend_on_the_order_of_spaxels(
    targets, tmp_path, representation
):
    prepared = galaxy_by("spectrum", targets[0], tmp_path).prepared
    order = np.random.default_rng(0).permutation(len(prepared.spaxels))
    # Components to start a factorisation from are drawn by number: some other spaxels then.
    settings = DistanceSettings(representation=representation, latents=3)
    here = what_is_compared(prepared, settings, SEED)
    there = what_is_compared(replace(prepared, spectra=prepared.spectra[order]), settings, SEED)
    expected = distances_of(here)[np.ix_(order, order)]
    if representation == "pca":
        scale = expected.max()
        np.testing.assert_allclose(distances_of(there), expected, atol=1e-4 * scale)
        np.testing.assert_allclose(there.energy, here.energy[order], rtol=1e-2)
    else:
        agreement = np.corrcoef(distances_of(there).ravel(), expected.ravel())[0, 1]
        assert agreement > 0.9


@pytest.mark.parametrize("representation", ["pca", "nmf"])
def test_partitions_do_not_depend_on_the_unit_of_flux(targets, tmp_path, representation):
    prepared = galaxy_by("spectrum", targets[0], tmp_path).prepared
    settings = DistanceSettings(representation=representation, latents=3)
    here = what_is_compared(prepared, settings, SEED)
    there = what_is_compared(replace(prepared, spectra=1e6 * prepared.spectra), settings, SEED)
    scale = distances_of(here).max()
    np.testing.assert_allclose(distances_of(there) / 1e6, distances_of(here), atol=1e-3 * scale)
    np.testing.assert_allclose(there.energy / 1e12, here.energy, rtol=1e-2)


def test_what_is_described_has_less_noise_than_the_spectra(targets, tmp_path):
    prepared = galaxy_by("spectrum", targets[0], tmp_path).prepared
    spectra = what_is_compared(prepared, DistanceSettings(), SEED)
    vectors = what_is_compared(prepared, DistanceSettings(representation="pca", latents=4), SEED)
    assert vectors.rows.shape == (len(prepared.spaxels), 4)
    assert np.median(vectors.energy) < 0.1 * np.median(spectra.energy)


@pytest.fixture
def models(targets, tmp_path):
    """Two models of spectra like those of the galaxy, fitted on fewer and broader bins."""
    prepared = galaxy_by("spectrum", targets[0], tmp_path / "for models").prepared
    low, high = prepared.wavelength_um[[0, -1]]
    grid = Grid(np.linspace(low, high, 81), "um")
    paths = []
    for seed in (0, 1):
        toy = measured(60, seed=seed).spectra.rebinned(grid)
        toy = toy.rows(toy.mask.any(axis=1))
        model = make_representation("pca", n_latents=3).fit(toy)
        paths.append(model.save(tmp_path / f"model{seed}"))
    return paths


def test_a_model_clusters_and_another_one_computes_again(targets, tmp_path, models):
    first, second = (
        galaxy_by("pca", targets[0], tmp_path / "run", model=str(model)) for model in models
    )
    spectrum = galaxy_by("spectrum", targets[0], tmp_path / "run")
    _, _, row = outcome(first)
    assert (row["representation"], row["n_cluster"]) == ("pca", 4)
    assert n_latents(first.settings.distance) == 3, "that of the model, not of the settings"
    assert len({galaxy.keys["linkage"] for galaxy in (first, second, spectrum)}) == 3
    assert first.keys["convert"] == second.keys["convert"]
    outcome(second)
    assert "linkage" in second.computed
    assert "convert" not in second.computed


def test_where_a_model_lies_changes_no_key(targets, tmp_path, models):
    moved = models[0].rename(tmp_path / "elsewhere")
    models[0].symlink_to(moved)
    first, second = (
        galaxy_by("pca", targets[0], tmp_path, model=str(model)) for model in (models[0], moved)
    )
    assert first.keys == second.keys


def test_galaxies_compared_by_spectra_keep_their_keys(targets, tmp_path):
    plain = Galaxy(targets[0], build_settings({}), tmp_path)
    other = Galaxy(targets[0], build_settings({"distance": {"latents": 3}}), tmp_path)
    assert plain.keys == other.keys
    assert "representation" not in plain.settings.distance.told()


def test_a_model_that_is_not_there_is_named(targets, tmp_path, archive):
    missing = tmp_path / "no model"
    with pytest.raises(ConfigError, match="no model"):
        galaxy_by("nmf", targets[0], tmp_path, model=str(missing)).result()
    overrides = {"distance": {"representation": "nmf", "model": str(missing)}}
    with pytest.raises(ConfigError, match="no model"):
        plan_run([archive / "survey.toml"], overrides=overrides)


def test_a_model_of_another_method_kind_or_window_is_refused(targets, tmp_path, models):
    def refused(representation, model, error, words):
        with pytest.raises(error, match=words):
            galaxy_by(representation, targets[0], tmp_path / "r", model=str(model)).result()

    refused("nmf", models[0], ConfigError, "representation = 'nmf'")
    counts = make_representation("pca", n_latents=3).fit(counted(50).spectra)
    refused("pca", counts.save(tmp_path / "counts"), ConfigError, "fitted on counts")
    far = measured(50).spectra
    far = far.__class__(far.values, Grid(far.grid.edges + 9.0, "um"), "flux", ivar=far.ivar)
    elsewhere = make_representation("pca", n_latents=3).fit(far).save(tmp_path / "far")
    refused("pca", elsewhere, DataError, "other wavelengths")


def test_a_network_without_torch_is_refused_before_the_run(archive, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs torch.*spaxel-survey\[latent\]"):
        plan_run([archive / "survey.toml"], overrides={"distance": {"representation": "latent"}})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"distance": {"model": "folder"}}, "needs representation"),
        ({"distance": {"representation": "pca", "latents": 0}}, "latents"),
        (
            {
                "distance": {"representation": "nmf"},
                "prepare": {"normalise": "continuum-removed"},
            },
            "continuum",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        build_settings(values)


def test_distances_of_latents_are_projected_as_what_they_are():
    spectra, latents = Work(20_000, 2400), Work(20_000, 2400, latents=8, representation="pca")
    assert (latents.n_compared, latents.compared_shift) == (8, 0)
    assert latents.distance_seconds < 0.1 * spectra.distance_seconds
    assert latents.stored_values == 8 * 20_000
    stages = {stage.name for stage in costs.Costs(latents, np.inf, False).of("chain").stages}
    assert "represent" in stages
