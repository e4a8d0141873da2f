"""Latents are of the source, not of the response that it is seen through."""

from dataclasses import replace

import numpy as np
import pytest

from survey.errors import DataError
from survey.latents.folding import UNKNOWN_RESPONSE, Folding
from survey.latents.grid import Grid
from survey.latents.models.methods import make_representation
from survey.latents.models.model_io import load_model, save_model
from survey.latents.models.response_shape import ResponseShape
from survey.latents.spectra import SpectrumSet, concatenate
from survey.latents.xray.simulate import simulate_xray
from tests.latents.toys import tilted

TILTS = (-0.8, 0.0, 0.8)
"""Responses whose areas rise or fall with energy, as they do with place and age of the camera."""


@pytest.fixture(scope="module")
def seen() -> list[SpectrumSet]:
    """The same 48 sources through three responses."""
    sets = []
    for k, power in enumerate(TILTS):
        spectra = simulate_xray(48, seed=8, responses=[tilted(power)]).spectra
        sets.append(replace(spectra, ids=np.array([f"{one}@{k}" for one in spectra.ids])))
    return sets


def test_the_mean_source_through_its_own_response_is_what_the_mean_one_times_the_ratio_is(
    seen: list[SpectrumSet],
) -> None:
    whole = concatenate(seen)
    shape = ResponseShape.of(whole, whole.background)
    relative = shape.relative(whole)
    own = whole.folding.fold(shape.photons, whole.response)
    predicted = relative * shape.reference
    for a, b in zip(own[::48], predicted[::48], strict=True):
        np.testing.assert_allclose(a / a.sum(), b / b.sum(), rtol=1e-6, atol=1e-7)
    soft, hard = relative[0, 10] / relative[0, 100], relative[-1, 10] / relative[-1, 100]
    assert soft > 3 * hard


@pytest.mark.parametrize("method", ["hardness", "pca", "nmf"])
def test_latents_of_one_source_hardly_depend_on_its_response(
    seen: list[SpectrumSet], method: str
) -> None:
    whole = concatenate(seen)
    blind = replace(whole, folding=None, response=None)
    shifts = []
    for spectra in (blind, whole):
        options = {} if method == "hardness" else {"n_latents": 4}
        latents = make_representation(method, **options).fit(spectra).transform(spectra)
        by_response = latents.reshape(3, 48, -1)
        shift = np.abs(by_response[2].mean(axis=0) - by_response[0].mean(axis=0))
        shifts.append((shift / latents.std(axis=0)).max())
    assert shifts[0] > 0.4
    assert shifts[1] < 0.4 * shifts[0]


def test_a_saved_model_knows_the_mean_response(seen: list[SpectrumSet], tmp_path) -> None:
    whole = concatenate(seen)
    model = make_representation("pca", n_latents=3).fit(whole)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(whole), model.transform(whole))
    np.testing.assert_array_equal(again.expected(whole), model.expected(whole))


def test_physical_models_are_latents_too_and_need_responses(seen: list[SpectrumSet]) -> None:
    some = seen[1].rows(np.arange(12))
    model = make_representation("physical").fit(some)
    latents = model.transform(some)
    assert latents.shape == (12, 5)
    assert np.isfinite(latents).all()
    shape = model.inverse_transform(latents)
    np.testing.assert_allclose(shape.sum(axis=1), 1.0)
    expected = model.expected(some)
    assert np.corrcoef(expected.sum(axis=1), some.totals)[0, 1] > 0.99
    with pytest.raises(DataError, match="need the responses"):
        make_representation("physical").fit(replace(some, folding=None, response=None))


@pytest.mark.parametrize("method", ["hardness", "pca", "nmf"])
def test_a_model_that_knows_responses_refuses_spectra_without_any(
    seen: list[SpectrumSet], method: str
) -> None:
    options = {} if method == "hardness" else {"n_latents": 3}
    model = make_representation(method, **options).fit(concatenate(seen))
    with pytest.raises(DataError, match="through their responses"):
        model.transform(replace(seen[0], folding=None, response=None))
    coarser = Folding(
        Grid(seen[0].folding.energies.edges[::2], "keV"),
        seen[0].folding.matrices[::2],
        seen[0].folding.names,
    )
    with pytest.raises(DataError, match="other photon energies"):
        model.transform(replace(seen[0], folding=coarser))


def test_a_spectrum_of_unknown_response_is_seen_through_the_mean_one_whatever_is_beside_it(
    seen: list[SpectrumSet],
) -> None:
    model = make_representation("pca", n_latents=3).fit(concatenate(seen))
    unknown = np.where(np.arange(48) == 5, UNKNOWN_RESPONSE, seen[0].response)
    beside = [
        model.transform(replace(one, response=unknown, values=seen[0].values))[5]
        for one in (seen[0], seen[2])
    ]
    np.testing.assert_array_equal(*beside)
    blind = replace(seen[0], response=np.full(48, UNKNOWN_RESPONSE))
    np.testing.assert_allclose(model.relative(blind), 1.0, rtol=1e-9)
    physical = make_representation("physical").fit(seen[1].rows(np.arange(8)))
    assert np.isfinite(physical.transform(blind.rows(np.arange(3)))).all()
