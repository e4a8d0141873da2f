"""Small galaxies and one simulated cube that the tests share."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from astropy.io import fits

from survey.simulate.cube import simulate_galaxy
from survey.simulate.galaxy import Clump, Cone, Disc, GalaxyModel, PointSource, Rotation
from survey.simulate.observation import Observation
from survey.simulate.spectra import load_spectrum
from survey.simulate.write import truth_path

ROTATION = Rotation(
    position_angle_deg=40.0, inclination_deg=50.0, velocity_km_s=200.0, turnover_arcsec=0.2
)
OBSERVATION = Observation(shape=(16, 15), window=(12.6, 13.6), snr=25.0)


def _galaxy(*components) -> GalaxyModel:
    return GalaxyModel("TEST", 0.01, 10.0, -35.0, ROTATION, components)


@pytest.fixture(scope="session")
def observation() -> Observation:
    return OBSERVATION


@pytest.fixture(scope="session")
def point_model() -> GalaxyModel:
    """A nucleus and nothing else, with unresolved lines."""
    return _galaxy(PointSource(load_spectrum("seyfert"), 0.1, dispersion_km_s=0.0))


@pytest.fixture(scope="session")
def model() -> GalaxyModel:
    """One component of every kind."""
    return _galaxy(
        PointSource(load_spectrum("seyfert"), 0.1, 150.0),
        Disc(load_spectrum("disc"), 800.0, 1.0, 50.0),
        Cone(load_spectrum("cone"), 3000.0, 100.0, 60.0, 0.8, 200.0, 150.0),
        Clump(load_spectrum("clump"), 4000.0, 0.2, 1.0, 0.5, 40.0),
    )


class Files(NamedTuple):
    """A simulated cube and its truth, open."""

    path: Path
    cube: fits.HDUList
    truth: fits.HDUList

    @property
    def flux(self) -> np.ndarray:
        return self.cube["SCI"].data.astype(float)

    @property
    def noiseless(self) -> np.ndarray:
        return self.truth["NOISELESS"].data.astype(float)


@pytest.fixture(scope="session")
def files(model, tmp_path_factory) -> Files:
    """That galaxy with its noiseless cube; a seam crosses its window."""
    path = tmp_path_factory.mktemp("simulated") / "TEST_ch3_s3d.fits"
    simulate_galaxy(model, path, 7, observation=OBSERVATION, keep_noiseless=True)
    with fits.open(path) as cube, fits.open(truth_path(path)) as truth:
        yield Files(path, cube, truth)
