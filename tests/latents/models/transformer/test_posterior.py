"""Latents of the autoencoder are the most probable ones, given the counts and a prior."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from survey.latents.models.autoencoder import TransformerAutoencoder  # noqa: E402
from survey.latents.models.model_io import load_model, save_model  # noqa: E402
from survey.latents.models.transformer.posterior import Prior  # noqa: E402
from survey.latents.spectra import SpectrumSet  # noqa: E402
from tests.latents.toys import counted, through_two_responses  # noqa: E402

SMALL = {"n_latents": 3, "width": 16, "hidden": 32, "layers": 1, "components": 12}


@pytest.fixture(scope="module")
def seen() -> SpectrumSet:
    """The same 80 sources through two responses."""
    return through_two_responses(80, seed=9)


@pytest.fixture(scope="module")
def through_responses(seen: SpectrumSet) -> TransformerAutoencoder:
    return TransformerAutoencoder(**SMALL, epochs=15, batch=32).fit(seen)


@pytest.fixture(scope="module")
def without_responses() -> TransformerAutoencoder:
    return TransformerAutoencoder(**SMALL, epochs=6, batch=64).fit(counted(300, seed=5).spectra)


def encoders(model: TransformerAutoencoder, spectra: SpectrumSet) -> np.ndarray:
    """Latents as the encoder alone finds them."""
    prior, model.prior_ = model.prior_, None
    try:
        return model.transform(spectra)
    finally:
        model.prior_ = prior


def log_posterior(
    model: TransformerAutoencoder, spectra: SpectrumSet, latents: np.ndarray
) -> np.ndarray:
    """From the model's own expectation of counts: nothing of the search is used."""
    mean = model.expected(spectra, latents)
    terms = np.where(spectra.mask, spectra.values * np.log(np.maximum(mean, 1e-9)) - mean, 0.0)
    off = latents - model.prior_.mean
    return terms.sum(axis=1) - 0.5 * np.einsum("ni,ij,nj->n", off, model.prior_.precision, off)


@pytest.mark.parametrize("case", ["through_responses", "without_responses"])
def test_no_latents_nearby_are_more_probable(case, request, seen):
    model = request.getfixturevalue(case)
    spectra = seen if case == "through_responses" else counted(150, seed=8).spectra
    latents = model.transform(spectra)
    best = log_posterior(model, spectra, latents)
    assert (best > log_posterior(model, spectra, encoders(model, spectra)) - 0.01).all()
    rng = np.random.default_rng(0)
    for size in (0.03, 0.3):
        for _ in range(8):
            tried = latents + rng.normal(0, size, latents.shape)
            assert (log_posterior(model, spectra, tried) < best + 0.1).all()


def test_one_source_is_nearer_to_itself_through_another_response_than_by_the_encoder(
    through_responses, seen
):
    apart = []
    for latents in (
        encoders(through_responses, seen),
        through_responses.transform(seen),
    ):
        difference = latents[80:] - latents[:80]
        apart.append(np.abs(difference.mean(axis=0)).max() / latents.std(axis=0).mean())
    assert apart[1] < 0.75 * apart[0]


def test_a_spectrum_that_says_nothing_is_where_the_prior_has_its_mean(without_responses):
    spectra = counted(20, seed=3, counts=(1, 2)).spectra
    empty = replace(spectra, values=np.zeros_like(spectra.values))
    latents = without_responses.transform(empty)
    wanted = np.broadcast_to(without_responses.prior_.mean, latents.shape)
    np.testing.assert_allclose(latents, wanted, atol=0.02)


def test_latents_of_a_spectrum_do_not_depend_on_the_others(through_responses, seen):
    rows = np.array([3, 97, 20])
    alone = through_responses.transform(seen.rows(rows))
    np.testing.assert_allclose(alone, through_responses.transform(seen)[rows], atol=2e-3)


def test_a_saved_model_keeps_its_prior(through_responses, seen, tmp_path):
    save_model(through_responses, tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(seen), through_responses.transform(seen))
    np.testing.assert_array_equal(again.prior_.precision, through_responses.prior_.precision)


def test_a_model_of_an_earlier_version_encodes_as_it_did(through_responses, seen):
    former = {k: v for k, v in through_responses.arrays().items() if not k.startswith("prior_")}
    again = TransformerAutoencoder(**SMALL)
    for name in ("grid_", "kind_", "mean_shape_", "background_", "response_", "calibration_"):
        setattr(again, name, getattr(through_responses, name))
    again.restore(former)
    np.testing.assert_array_equal(again.transform(seen), encoders(through_responses, seen))


def test_a_prior_is_the_same_distribution_in_other_units():
    rng = np.random.default_rng(1)
    latents = rng.normal(2.0, 3.0, (4000, 2)) @ np.array([[1.0, 0.5], [0.0, 1.0]])
    mean, std = latents.mean(axis=0), latents.std(axis=0, ddof=1)
    scaled = Prior.of(latents).scaled(mean, std)
    again = Prior.of((latents - mean) / std)
    np.testing.assert_allclose(scaled.mean, again.mean, atol=1e-9)
    np.testing.assert_allclose(scaled.precision, again.precision, rtol=1e-3)
