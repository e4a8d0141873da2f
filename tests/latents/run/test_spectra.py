"""Spectra of a run, as a model of the whole archive gets them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catalogs import open_catalog
from catalogs.publish import publish
from survey.config import Settings
from survey.errors import DataError
from survey.latents.grid import Grid
from survey.latents.run import spectra as latent_spectra
from survey.latents.run.spectra import cluster_spectra
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyTask, process_galaxy
from survey.pipeline.run.survey import TARGETS_FILE, write_run_record
from survey.pipeline.run.targets import write_targets


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, targets: list[Target], settings: Settings
) -> Path:
    """A finished run, without a Dask cluster."""
    root = tmp_path_factory.mktemp("run")
    write_targets(targets, root / TARGETS_FILE)
    write_run_record(root, settings)
    reports = [process_galaxy(GalaxyTask(target, settings, root)) for target in targets]
    publish(root, [report.part for report in reports if report.part], [])
    return root


def test_spectra_of_all_clusters_lie_on_one_rest_frame_grid(run: Path) -> None:
    spectra, catalog = cluster_spectra(run), open_catalog(run)
    assert len(spectra) == len(catalog.clusters)
    assert (spectra.kind, spectra.frame, spectra.grid.unit) == ("flux", "rest", "um")
    assert set(spectra.sources) == set(catalog.galaxies["galaxy"])
    galaxies = catalog.galaxies.set_index("galaxy")["redshift"]
    assert np.array_equal(spectra.redshift, galaxies[spectra.sources])
    assert spectra.mask.mean() > 0.9


def test_a_cluster_keeps_its_median_and_its_error(run: Path) -> None:
    row = open_catalog(run).spectra().iloc[0]
    own = Grid.from_centres(row["wavelength_um"], "um")
    spectra = cluster_spectra(run, grid=own)
    one = spectra.ids == f"{row['galaxy']}/{row['cluster']}"
    np.testing.assert_allclose(spectra.values[one][0], row["median"], rtol=1e-6)
    np.testing.assert_allclose(spectra.ivar[one][0], row["err"] ** -2.0, rtol=1e-4)


def test_the_common_range_is_what_most_galaxies_cover() -> None:
    shared = latent_spectra._shared_range
    assert shared(np.array([[5.0, 9.0]])) == (5.0, 9.0)
    assert shared(np.array([[5.0, 9.0], [6.0, 12.0]])) == (6.0, 9.0)
    assert shared(np.array([[5.0, 9.0], [6.0, 12.0], [5.0, 7.0]])) == (5.0, 9.0)
    assert shared(np.array([[5.0, 6.0], [8.0, 9.0]])) == (0.0, 0.0)


def test_galaxies_without_common_wavelengths_or_units_are_refused(run: Path) -> None:
    with pytest.raises(DataError, match="no wavelengths in common"):
        latent_spectra._common_grid([np.linspace(5, 6, 9), np.linspace(8, 9, 9)], None)
    table = pd.DataFrame({"flux_unit": ["MJy / sr", "Jy"]})
    with pytest.raises(DataError, match="different units"):
        latent_spectra._require_one_unit(table)
