"""Amplitudes are those of greatest likelihood; deviance and likelihood agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, poisson

from survey.latents.models.likelihood import (
    chi_square,
    counts_amplitude,
    flux_amplitude,
    gaussian_log_likelihood,
    poisson_deviance,
    poisson_log_likelihood,
)

SEEDS = st.integers(0, 10_000)


@given(SEEDS, st.floats(0.1, 3000), st.floats(0, 5))
def test_no_other_amplitude_makes_counts_more_likely(seed, brightness, behind):
    rng = np.random.default_rng(seed)
    shape = rng.dirichlet(np.ones(30), 4)
    background = np.full(shape.shape, behind)
    mask = rng.random(shape.shape) < 0.9
    counts = rng.poisson(brightness * shape + background) * mask
    best = counts_amplitude(counts, shape, background, mask)

    def likelihood(amplitude: np.ndarray) -> np.ndarray:
        return poisson_log_likelihood(counts, amplitude[:, None] * shape + background, mask)

    for factor in (0.9, 0.99, 1.01, 1.1):
        assert np.all(likelihood(best) >= likelihood(best * factor) - 1e-7)
    assert np.all(likelihood(best) >= likelihood(best + 0.1) - 1e-7)


def test_without_background_the_amplitude_is_the_number_of_counts():
    shape = np.random.default_rng(0).dirichlet(np.ones(20), 5)
    counts = np.random.default_rng(1).poisson(100 * shape)
    everywhere = np.ones(shape.shape, bool)
    found = counts_amplitude(counts, shape, np.zeros(shape.shape), everywhere)
    np.testing.assert_allclose(found, counts.sum(axis=1))


@given(SEEDS)
def test_the_amplitude_of_flux_leaves_a_residual_that_the_shape_does_not_see(seed):
    rng = np.random.default_rng(seed)
    flux, ivar = rng.normal(1, 1, (3, 20)), rng.uniform(0.5, 2, (3, 20))
    shape = rng.uniform(0.5, 1.5, (3, 20))
    residual = flux - flux_amplitude(flux, ivar, shape)[:, None] * shape
    np.testing.assert_allclose((ivar * residual * shape).sum(axis=1), 0, atol=1e-9)


def test_log_likelihoods_are_those_of_scipy_over_usable_bins():
    rng = np.random.default_rng(3)
    mean, mask = rng.uniform(0.1, 9, (4, 10)), rng.random((4, 10)) < 0.7
    counts = rng.poisson(mean) * mask
    wanted = np.where(mask, poisson.logpmf(counts, mean), 0).sum(axis=1)
    np.testing.assert_allclose(poisson_log_likelihood(counts, mean, mask), wanted)
    flux, ivar = rng.normal(mean), np.where(mask, rng.uniform(0.5, 2, mean.shape), 0)
    sigma = 1 / np.sqrt(np.where(mask, ivar, 1))
    wanted = np.where(mask, norm.logpdf(flux, mean, sigma), 0).sum(axis=1)
    np.testing.assert_allclose(gaussian_log_likelihood(flux, mean, ivar, mask), wanted)


@pytest.mark.parametrize("mean", [50.0, 400.0])
def test_the_deviance_is_chi_square_like_where_counts_are_many(mean):
    rng = np.random.default_rng(4)
    expected = np.full((2000, 50), mean)
    counts = rng.poisson(expected)
    mask = np.ones(expected.shape, bool)
    deviance = poisson_deviance(counts, expected, mask)
    squares = chi_square(counts, expected, 1 / expected)
    assert deviance.mean() == pytest.approx(50, rel=0.03)
    assert np.corrcoef(deviance, squares)[0, 1] > 0.98
