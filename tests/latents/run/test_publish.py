"""Latents in the catalog: computed once, of the clusters that are there, usable by classes."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from catalogs import open_catalog
from catalogs.survey_parts import current_survey_parts
from catalogs.verify import verify
from survey.config import Settings, build_settings
from survey.engine.cluster import Cluster
from survey.errors import ConfigError, DataError
from survey.latents.models.methods import make_representation
from survey.latents.models.model_io import save_model
from survey.latents.run.publish import publish_latents
from survey.latents.run.spectra import cluster_spectra
from survey.pipeline.classification.classify import apply_model_file, classify, classify_run
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.prune import prune
from survey.pipeline.run.survey import run_survey
from survey.pipeline.run.targets import read_targets
from survey.simulate import simulate_archive

N_LATENTS = 2


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Target]:
    """A Seyfert, a starburst and a LINER, in channel 3 short."""
    folder = tmp_path_factory.mktemp("three")
    simulate_archive(folder, 3, size=(10, 10), window="ch3-short", seed=4)
    return read_targets(folder / "targets.ecsv")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    labels = tmp_path_factory.mktemp("labels") / "labels.ecsv"
    types = Table({"galaxy": ["SIM-001", "SIM-002"], "type": ["Sy-2", "Starburst"]})
    types.write(labels, format="ascii.ecsv")
    classes = {"labels": str(labels), "ratios": "ch3-short", "draws": 4, "trees": 10}
    classes["use_latents"] = True
    return build_settings({"cut": {"criterion": "fixed", "k": 3}, "classes": classes})


def fit_model(root: Path, folder: Path, *, n_latents: int = N_LATENTS, leave_out: int = 0) -> Path:
    spectra = cluster_spectra(root)
    model = make_representation("pca", n_latents=n_latents)
    return save_model(model.fit(spectra.rows(range(leave_out, len(spectra)))), folder)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory, three, settings: Settings, cluster: Cluster) -> Path:
    """A run with two of the galaxies, and their latents."""
    root = tmp_path_factory.mktemp("encoded")
    run_survey(root, three[:2], settings, cluster)
    assert open_catalog(root).latents.empty, "not before they are asked for"
    with pytest.raises(ConfigError, match="latents"):
        classify(root, settings.classes, cluster)
    assert publish_latents(root, fit_model(root, root / "latent" / "model")).computed
    return root


@pytest.fixture
def run(encoded: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(encoded, tmp_path / "run", symlinks=True))


def test_latents_are_a_table_that_pandas_joins_to_the_clusters(encoded):
    catalog = encoded / "catalog"
    latents = pd.read_parquet(catalog / "latents.parquet")
    clusters = pd.read_parquet(catalog / "clusters.parquet")
    both = clusters.merge(latents, on=["galaxy", "cluster"], validate="one_to_one")
    assert len(both) == len(clusters) == 6
    values, errors = (np.stack(list(both[name])) for name in ("latent", "err_latent"))
    assert values.shape == errors.shape == (6, N_LATENTS)
    assert np.isfinite(values).all()
    assert (errors > 0).all()
    assert both["anomaly"].between(0, 1).all()
    assert all(check.ok for check in verify(encoded))


def test_a_second_time_nothing_is_computed_nor_published(run):
    before = (run / "catalog").resolve()
    assert not publish_latents(run, run / "latent" / "model").computed
    assert (run / "catalog").resolve() == before


def test_a_model_of_another_run_puts_both_into_one_space(run, tmp_path, three, settings, cluster):
    other = tmp_path / "other"
    run_survey(other, three[2:], settings, cluster)
    publish_latents(other, run / "latent" / "model")
    here, there = (current_survey_parts(root)["latents"] for root in (run, other))
    assert here is not None
    assert there is not None
    assert here.summary["model"] == there.summary["model"]


def test_a_new_galaxy_has_no_latents_until_it_is_encoded(run, three, settings, cluster):
    run_survey(run, three, settings, cluster)
    catalog = open_catalog(run)
    assert set(catalog.clusters["galaxy"]) - set(catalog.latents["galaxy"]) == {"SIM-003"}
    assert len(catalog.latents) == 6, "the others are kept"
    publish_latents(run, run / "latent" / "model")
    assert len(open_catalog(run).latents) == len(open_catalog(run).clusters)


def test_latents_are_predictors_of_classes_and_their_model_is_asked_for(
    run, settings, cluster, tmp_path
):
    file = tmp_path / "model.skops"
    assert classify_run(run, settings, cluster, save_as=file).computed
    catalog = open_catalog(run)
    assert {"latent_1", "latent_2"} < set(catalog.importances["predictor"])
    assert len(catalog.latents) == 6, "a classification keeps them"
    assert not classify(run, settings.classes, cluster).computed
    apply_model_file(run, file, settings.classes, cluster)

    publish_latents(run, fit_model(run, run / "latent" / "model", leave_out=1))
    assert classify(run, settings.classes, cluster).computed, "other latents, other classes"
    with pytest.raises(ConfigError, match="another model"):
        apply_model_file(run, file, settings.classes, cluster)


def test_pruning_keeps_the_latents_of_the_catalog(run):
    model = fit_model(run, run / "latent" / "model", n_latents=1)
    publish_latents(run, model)
    superseded = prune(run, remove=True).folders
    assert [folder.name.split("-")[0] for folder in superseded] == ["latents"]
    assert not publish_latents(run, model).computed


def test_spectra_off_the_grid_of_the_model_are_an_error_that_says_so(run, tmp_path):
    spectra = cluster_spectra(run)
    half = float(spectra.grid.edges[len(spectra.grid) // 2])
    away = spectra.between(half, 100.0)
    grid = type(away.grid)(away.grid.edges + 10.0, "um")
    far = type(away)(away.values, grid, "flux", ivar=away.ivar, mask=away.mask, frame="rest")
    folder = save_model(make_representation("pca", n_latents=1).fit(far), tmp_path / "far")
    with pytest.raises(DataError, match="could encode"):
        publish_latents(run, folder)
