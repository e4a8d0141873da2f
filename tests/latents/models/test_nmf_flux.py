"""Non-negative factorisation of flux: what the updates promise, and what they find."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.latents.grid import Grid
from survey.latents.models.model_io import load_model, save_model
from survey.latents.models.nmf import SpectralNMF
from survey.latents.models.nmf_flux import LEAST, encode_flux, factorise_flux
from survey.latents.spectra import SpectrumSet
from tests.latents.toys import measured

BINS = np.arange(60)
PARTS = np.stack([np.exp(-0.5 * ((BINS - centre) / 5.0) ** 2) for centre in (12, 30, 48)])
PARTS /= PARTS.mean(axis=1, keepdims=True)


def mixtures(n: int = 200, *, sigma: float = 0.02, seed: int = 0) -> tuple[SpectrumSet, np.ndarray]:
    """Mixtures of three components with errors, and their shares; some spectra are pure."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet([0.3, 0.3, 0.3], n)
    flux = rng.normal(share @ PARTS, sigma)
    grid = Grid(np.linspace(11.0, 13.0, 61), "um")
    return SpectrumSet(flux, grid, "flux", ivar=np.full(flux.shape, sigma**-2.0)), share


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(0.0, 0.5))
def test_the_loss_never_rises_for_data_of_any_sign_and_any_mask(seed, k, hidden):
    rng = np.random.default_rng(seed)
    flux = rng.normal(0.3, 1.0, (12, 9))
    ivar = rng.gamma(1.0, 1.0, flux.shape) * (rng.random(flux.shape) > hidden)
    start = rng.random((k, 9)) + 0.01
    weights, components, losses = factorise_flux(
        flux, ivar, start, max_iterations=30, tolerance=0.0
    )
    assert (np.diff(losses) <= 1e-9 * losses[0]).all()
    assert weights.min() >= LEAST
    assert components.min() >= LEAST


def test_planted_components_and_their_shares_are_found():
    spectra, share = mixtures()
    model = SpectralNMF(3, max_iterations=3000, tolerance=1e-8).fit(spectra)
    order = model.components_.argmax(axis=1).argsort()
    np.testing.assert_allclose(model.components_[order], PARTS, atol=0.15)
    np.testing.assert_allclose(model.transform(spectra)[:, order], share, atol=0.05)


def test_encoding_is_the_best_fit_that_is_not_negative():
    spectra, _ = mixtures(50, sigma=0.3)
    weights = encode_flux(spectra.values, spectra.ivar, PARTS)
    miss = (spectra.ivar * (spectra.values - weights @ PARTS)) @ PARTS.T
    scale = np.abs(spectra.ivar * spectra.values) @ PARTS.T
    inside = weights > 1e-3
    assert np.abs(miss / scale)[inside].max() < 1e-3, "no step inwards helps"
    assert (miss / scale)[weights < 1e-6].max() < 1e-3, "and none away from the edge"


@given(st.floats(1e-20, 1e20))
def test_latents_do_not_depend_on_the_unit_of_flux(unit):
    spectra, _ = mixtures(60)
    other = replace(spectra, values=spectra.values * unit, ivar=spectra.ivar / unit**2)
    latents = (SpectralNMF(3, max_iterations=20).fit(s).transform(s) for s in (spectra, other))
    np.testing.assert_allclose(*latents, atol=1e-6)


def test_what_is_behind_a_mask_does_not_matter():
    spectra, share = mixtures(sigma=0.02)
    rng = np.random.default_rng(1)
    mask = rng.random(spectra.values.shape) > 0.2
    mask[:, 0] = False
    spoilt = np.where(mask, spectra.values, 1e6)
    hidden = replace(spectra, values=spoilt, mask=mask)
    model = SpectralNMF(3, max_iterations=3000, tolerance=1e-8).fit(hidden)
    order = model.components_[:, 1:].argmax(axis=1).argsort()
    assert np.isfinite(model.components_).all()
    np.testing.assert_allclose(model.transform(hidden)[:, order], share, atol=0.06)


def test_noisy_spectra_are_described_better_than_they_were_measured():
    toy = measured(400, snr=3.0)
    model = SpectralNMF(4).fit(toy.spectra)
    miss = model.expected(toy.spectra) - toy.expected
    noise = toy.spectra.values - toy.expected
    assert (miss**2).sum() < 0.1 * (noise**2).sum()


def test_shapes_are_positive_and_have_a_mean_of_one():
    toy = measured(100)
    model = SpectralNMF(3).fit(toy.spectra)
    shapes = model.inverse_transform(model.transform(toy.spectra))
    assert shapes.min() > 0
    np.testing.assert_allclose(shapes.mean(axis=1), 1.0)


def test_spectra_of_nothing_but_negative_flux_have_latents_all_the_same():
    spectra, _ = mixtures(50)
    model = SpectralNMF(3).fit(spectra)
    latents = model.transform(replace(spectra, values=-np.abs(spectra.values)))
    np.testing.assert_allclose(latents.sum(axis=1), 1.0)


@pytest.mark.parametrize("n", [3, 40])
def test_a_model_of_flux_is_the_same_read_back(tmp_path, n):
    spectra, _ = mixtures(n)
    model = SpectralNMF(2).fit(spectra)
    read = load_model(save_model(model, tmp_path / "model"))
    np.testing.assert_array_equal(read.transform(spectra), model.transform(spectra))
    assert read.n_iterations_ == model.n_iterations_
