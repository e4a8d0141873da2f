"""Noise that is drawn is that of the cube it was measured on."""

import numpy as np
import pytest

from survey.spectra.noise import spectral_noise
from survey.validation.noise_model import NoiseModel
from tests.validation.galaxies import correlated


def measured(cube: np.ndarray, sigma: float = 1.0) -> NoiseModel:
    y, x = (axis.ravel() for axis in np.indices(cube.shape[:2]))
    flux = (100.0 + sigma * cube).reshape(-1, cube.shape[2]).astype(np.float32)
    return NoiseModel.measured(flux, spectral_noise(flux), y, x)


@pytest.mark.parametrize("b", [0.0, 0.2, 0.4])
def test_what_neighbours_share_is_measured(b):
    expected = 2 * b / (1 + 2 * b**2)
    noise = measured(correlated((20, 20, 400), b))
    assert noise.along_y == pytest.approx(expected, abs=0.05)
    assert noise.along_x == pytest.approx(expected, abs=0.05)
    # Planes further apart than one share a little, too, which the measure of planes neglects.
    assert noise.along_planes == pytest.approx(expected, abs=0.12)


def test_drawn_noise_has_the_level_and_what_neighbours_share():
    model = measured(correlated((20, 20, 400), 0.3), sigma=2.0)
    drawn = model.draw(np.random.default_rng(3)).reshape(20, 20, -1)
    assert drawn.std() == pytest.approx(2.0, rel=0.05)
    along_y = np.mean(drawn[1:] * drawn[:-1]) / drawn.var()
    assert along_y == pytest.approx(model.along_y, abs=0.05)


def test_spaxels_with_one_spectrum_get_the_same_noise():
    cube = np.repeat(correlated((10, 5, 200), 0.0), 2, axis=1)
    drawn = measured(cube).draw(np.random.default_rng(0)).reshape(10, 10, -1)
    np.testing.assert_array_equal(drawn[:, ::2], drawn[:, 1::2])
    assert not np.allclose(drawn[0, 0], drawn[1, 0])


def test_some_spaxels_keep_the_noise_of_the_cube():
    model = measured(correlated((20, 20, 300), 0.4))
    rows = np.arange(0, 400, 7)
    flux = np.random.default_rng(1).standard_normal((len(rows), 300)).astype(np.float32)
    part = model.of_spaxels(flux, model.sigma[rows], model.y[rows], model.x[rows])
    assert part.along_y == model.along_y
    assert part.draw(np.random.default_rng(2)).shape == (len(rows), 300)
