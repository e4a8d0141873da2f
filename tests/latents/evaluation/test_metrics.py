"""Measures have the values they must have where these are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.latents.evaluation.metrics import (
    divergence,
    held_out_deviance,
    mutual_information,
    relative_error,
)
from survey.latents.models.nmf import SpectralNMF
from survey.latents.models.pca import SpectralPCA
from survey.latents.uncertainty import (
    coverage_of_halves,
    coverage_of_repeats,
    latent_uncertainty,
)
from tests.latents.toys import counted, measured


@given(st.integers(0, 1000), st.floats(0.1, 100))
def test_a_divergence_is_zero_for_the_truth_at_any_brightness_and_else_positive(seed, factor):
    p, q = np.random.default_rng(seed).dirichlet(np.ones(20), (2, 3))
    np.testing.assert_allclose(divergence(p, factor * p), 0, atol=1e-9)
    assert (divergence(p, q) > 0).all()


def test_a_divergence_is_the_likelihood_lost_per_count():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.full(20, 3.0), (2, 1))
    counts = rng.multinomial(400_000, p[0])
    lost = counts @ (np.log(p[0]) - np.log(q[0])) / counts.sum()
    assert divergence(p, q)[0] == pytest.approx(lost, rel=0.02)


def test_a_bin_the_model_thinks_impossible_is_a_finite_mistake():
    assert np.isfinite(divergence(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))).all()


def test_relative_errors_do_not_depend_on_the_unit():
    truth, model = np.random.default_rng(1).uniform(1, 2, (2, 4, 9))
    np.testing.assert_allclose(
        relative_error(truth, model), relative_error(truth * 1e-20, model * 1e-20)
    )


def test_the_other_half_tells_noise_that_was_learned_from_what_is_there():
    """More components always fit a spectrum better, its other half not for ever."""
    spectra = counted(300, counts=(200, 2000)).spectra
    own, other = {}, {}
    for k in (2, 4, 40):
        model = SpectralNMF(k, max_iterations=200).fit(spectra)
        own[k], other[k] = model.score(spectra), held_out_deviance(model, spectra, 0).mean()
    assert own[40] > own[4] > own[2]
    assert other[4] < other[2]
    assert other[4] < other[40]


def test_the_other_half_of_flux_has_a_deviance_of_one_per_bin():
    toy = measured(200)
    model = SpectralPCA(3).fit(toy.spectra)
    assert held_out_deviance(model, toy.spectra, 0).mean() == pytest.approx(1, abs=0.15)


def test_information_that_is_there_is_found_and_none_is_not():
    rng = np.random.default_rng(2)
    latents = rng.normal(size=(400, 3))
    for values, telling in ((latents[:, 1] ** 2, True), (rng.normal(size=400), False)):
        found = mutual_information(latents, values, permutations=30, seed=0)
        assert (found.p_value <= 1 / 31) == telling
        assert (found.largest > found.null_95) == telling
        assert found.null_mean < found.null_95


def test_uncertainties_are_those_of_new_observations():
    toy = counted(150, counts=(300, 3000))
    model = SpectralNMF(3).fit(toy.spectra)
    share = coverage_of_repeats(model, toy.spectra, toy.expected)
    assert share.mean() == pytest.approx(0.68, abs=0.08)
    assert coverage_of_halves(model, toy.spectra) == pytest.approx(0.68, abs=0.08)


def test_ten_times_the_counts_halve_uncertainties_and_more():
    faint, bright = (counted(100, counts=(n, n + 1)) for n in (300, 3000))
    model = SpectralNMF(3).fit(counted(300).spectra)
    errors = [np.median(latent_uncertainty(model, toy.spectra)) for toy in (faint, bright)]
    assert errors[1] < errors[0] / 2
