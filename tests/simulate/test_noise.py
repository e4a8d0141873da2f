import numpy as np
import pytest
from numpy.testing import assert_allclose

from survey.simulate.noise import correlated_noise, fringes, noise_level

SHAPE = (200, 40, 41)


def _neighbour_correlation(noise, axis):
    moved = np.moveaxis(noise, axis, 0)
    return np.corrcoef(moved[1:].ravel(), moved[:-1].ravel())[0, 1]


def test_noise_is_correlated_as_observed_and_has_unit_variance():
    noise = correlated_noise(SHAPE, np.random.default_rng(0))
    assert noise.shape == SHAPE
    assert noise.dtype == np.float32
    assert noise.std() == pytest.approx(1, rel=0.02)
    assert 0.19 < _neighbour_correlation(noise, 0) < 0.27
    assert 0.36 < _neighbour_correlation(noise, 1) < 0.69
    assert 0.36 < _neighbour_correlation(noise, 2) < 0.69


def test_noise_is_as_strong_at_the_border_as_inside():
    noise = correlated_noise(SHAPE, np.random.default_rng(1))
    border = np.concatenate([noise[:, 0].ravel(), noise[:, -1].ravel(), noise[:, :, 0].ravel()])
    assert border.std() == pytest.approx(noise.std(), rel=0.03)


def test_noise_grows_with_flux_and_with_missing_exposures():
    flux = np.array([0.0, 1.0, 7.0]).reshape(3, 1, 1) * np.ones((3, 1, 3))
    depth = np.array([[32.0, 8.0, 0.0]])
    level = noise_level(flux, 1.0, depth)
    assert_allclose(level[:, 0, 0], np.sqrt([0.5, 1.0, 4.0]), rtol=1e-6)
    assert_allclose(level[:, 0, 1], 2 * level[:, 0, 0], rtol=1e-6)
    assert_allclose(level[:, 0, 2], 0)


def test_fringes_have_one_period_in_wavenumber_and_the_asked_amplitude():
    wavelength_um = np.arange(12.0, 17.0, 0.0025)
    pattern = fringes(wavelength_um, (3, 4), 0.01, np.random.default_rng(2))
    assert np.abs(pattern - 1).max() == pytest.approx(0.01, rel=1e-3)
    crossings = np.flatnonzero(np.diff(np.sign(pattern[:, 0, 0] - 1)) != 0)
    half_periods = -np.diff(1e4 / wavelength_um[crossings])
    assert_allclose(2 * half_periods.mean(), 2.9, rtol=0.01)
    assert np.ptp(pattern[0]) > 0
