"""What every representation does alike, and what each is good for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from survey.errors import ConfigError, DataError
from survey.latents.grid import Grid
from survey.latents.models.likelihood import poisson_log_likelihood
from survey.latents.models.methods import METHODS, make_representation
from survey.latents.models.model_io import load_model, save_model
from survey.latents.models.nmf import SpectralNMF
from survey.latents.models.pca import SpectralPCA
from survey.latents.spectra import SpectrumSet
from tests.latents.toys import Toy, counted, divergence, measured

QUICK = {
    "hardness": {},
    "pca": {"n_latents": 4},
    "nmf": {"n_latents": 4},
    "autoencoder": {"n_latents": 4, "epochs": 4, "width": 16, "hidden": 32, "layers": 1},
}
LINEAR = ("hardness", "pca", "nmf")


@pytest.fixture(scope="module")
def toy() -> Toy:
    return counted(400)


@pytest.fixture(
    scope="module", params=[name for name, one in METHODS.items() if not one.needs_responses]
)
def fitted(request, toy):
    return make_representation(request.param, **QUICK[request.param]).fit(toy.spectra)


def test_latents_are_few_finite_and_the_same_again(fitted, toy):
    latents = fitted.transform(toy.spectra)
    assert latents.shape == (400, fitted.n_latents)
    assert np.isfinite(latents).all()
    np.testing.assert_array_equal(latents, fitted.transform(toy.spectra))
    assert latents.std(axis=0).min() > 0


def test_a_spectrum_has_the_same_latents_in_any_company(fitted, toy):
    alone = fitted.transform(toy.spectra.rows([7]))
    company = fitted.transform(toy.spectra.rows([3, 7, 11]))
    np.testing.assert_allclose(alone[0], company[1], rtol=1e-3, atol=1e-4)


def test_fitting_returns_itself_touches_no_parameter_and_can_be_repeated(fitted, toy):
    fresh = clone(fitted)
    before = fresh.get_params()
    assert fresh.fit(toy.spectra) is fresh
    assert fresh.get_params() == before
    np.testing.assert_array_equal(fresh.transform(toy.spectra), fitted.transform(toy.spectra))


def test_shapes_are_positive_and_sum_to_one(fitted, toy):
    shape = fitted.inverse_transform(fitted.transform(toy.spectra))
    assert (shape >= 0).all()
    np.testing.assert_allclose(shape.sum(axis=1), 1)


def test_scores_are_the_likelihood_of_what_is_expected(fitted, toy):
    expected = fitted.expected(toy.spectra)
    wanted = poisson_log_likelihood(toy.spectra.values, expected, toy.spectra.mask)
    np.testing.assert_allclose(fitted.score_samples(toy.spectra), wanted)
    np.testing.assert_allclose(expected.sum(axis=1), toy.spectra.totals, rtol=0.15)


def test_bins_that_are_missing_do_not_ruin_a_spectrum(fitted, toy):
    mask = np.ones(toy.spectra.values.shape, bool)
    mask[:, 30:36] = False
    gappy = fitted.expected(replace(toy.spectra, mask=mask))
    assert np.isfinite(gappy).all()
    whole = fitted.expected(toy.spectra)
    assert divergence(toy.expected, gappy) < 4 * divergence(toy.expected, whole) + 0.05


def test_what_is_saved_is_what_is_read(fitted, toy, tmp_path):
    again = load_model(save_model(fitted, tmp_path / "model"))
    assert type(again) is type(fitted)
    assert again.get_params() == fitted.get_params()
    assert again.facts() == fitted.facts()
    np.testing.assert_array_equal(again.transform(toy.spectra), fitted.transform(toy.spectra))
    np.testing.assert_array_equal(again.expected(toy.spectra), fitted.expected(toy.spectra))


def test_other_grids_kinds_and_the_unfitted_are_refused(fitted, toy):
    with pytest.raises(DataError, match="another grid"):
        fitted.transform(toy.spectra.between(1, 5))
    with pytest.raises(DataError, match="another kind"):
        fitted.transform(measured(10).spectra)
    with pytest.raises(NotFittedError):
        clone(fitted).transform(toy.spectra)


def test_a_spectrum_without_a_count_is_no_accident(fitted, toy):
    values = toy.spectra.values.copy()
    values[0] = 0
    empty = replace(toy.spectra, values=values)
    assert np.isfinite(fitted.transform(empty)).all()
    assert np.isfinite(fitted.expected(empty)).all()


def test_unknown_methods_and_parameters_are_refused():
    with pytest.raises(ConfigError, match="hardness, physical, pca, nmf, autoencoder"):
        make_representation("magic")
    with pytest.raises(ConfigError, match="pca"):
        make_representation("pca", depth=3)


def test_nothing_is_learned_from_too_few(toy):
    with pytest.raises(DataError, match="too few"):
        SpectralPCA(8).fit(toy.spectra.rows([0, 1, 2]))


def test_hardness_needs_its_bands(toy):
    with pytest.raises(DataError, match="bands"):
        make_representation("hardness").fit(toy.spectra.between(3, 8))


def test_hardness_ratios_are_those_of_the_bands():
    grid = Grid(np.array([0.5, 1.2, 2.0, 7.0]), "keV")
    spectra = SpectrumSet(np.array([[100, 300, 50], [1000, 0, 0]]), grid, "counts")
    model = make_representation("hardness").fit(spectra)
    ratios = model.transform(spectra)
    np.testing.assert_allclose(ratios[0], [-250 / 351, 200 / 401, -50 / 151])
    shape = model.inverse_transform(ratios)
    np.testing.assert_allclose(shape[0], [100.5 / 451.5, 300.5 / 451.5, 50.5 / 451.5])


@given(st.integers(0, 500))
def test_more_iterations_never_make_a_factorisation_less_likely(seed):
    spectra = counted(40, seed).spectra
    scores = [
        SpectralNMF(3, max_iterations=steps, tolerance=0, seed=seed).fit(spectra).score(spectra)
        for steps in (10, 40, 160)
    ]
    assert scores == sorted(scores)


def test_a_factorisation_finds_components_behind_a_background():
    rng = np.random.default_rng(0)
    grid = Grid(np.linspace(0.5, 8, 41), "keV")
    x = np.arange(40)
    parts = np.stack([np.exp(-0.5 * ((x - c) / 3) ** 2) for c in (8, 22)])
    parts /= parts.sum(axis=1, keepdims=True)
    share = rng.dirichlet([0.5, 0.5], 300)
    behind = np.full((300, 40), 20.0)
    mean = 2000 * share @ parts + behind
    spectra = SpectrumSet(
        rng.poisson(mean), grid, "counts", background_counts=rng.poisson(behind * 10),
        background_scale=np.full(mean.shape, 0.1),
    )  # fmt: skip
    model = SpectralNMF(2, max_iterations=2000, tolerance=1e-7).fit(spectra)
    order = model.components_.argmax(axis=1).argsort()
    np.testing.assert_allclose(model.components_[order], parts, atol=0.01)
    np.testing.assert_allclose(model.transform(spectra)[:, order], share, atol=0.05)


def test_principal_components_see_the_background_and_a_factorisation_does_not(toy):
    pca, nmf = (make_representation(name, n_latents=6).fit(toy.spectra) for name in ("pca", "nmf"))
    bright = toy.spectra.rows(toy.spectra.totals > 1000)
    truth = toy.shape[toy.spectra.totals > 1000]
    assert divergence(truth, nmf.inverse_transform(nmf.transform(bright))) < 0.3 * divergence(
        truth, pca.inverse_transform(pca.transform(bright))
    )


@pytest.mark.parametrize("name", LINEAR)
def test_latents_tell_classes_apart(name, toy):
    model = make_representation(name, **QUICK[name]).fit(toy.spectra)
    new = counted(400, seed=1)
    rule = KNeighborsClassifier(9).fit(model.transform(toy.spectra), toy.classes)
    assert balanced_accuracy_score(new.classes, rule.predict(model.transform(new.spectra))) > 0.85


@pytest.mark.parametrize("name", ["pca", "nmf"])
def test_flux_in_any_unit_has_the_same_latents(name):
    for unit in (1.0, 1e-20):
        toy = measured(200, unit=unit)
        latents = make_representation(name, n_latents=3).fit(toy.spectra).transform(toy.spectra)
        if unit == 1.0:
            wanted = latents
    np.testing.assert_allclose(np.abs(latents), np.abs(wanted), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, one in METHODS.items() if "flux" not in one.kinds])
def test_what_is_of_counts_alone_refuses_flux_and_names_the_methods_that_do_not(name):
    with pytest.raises(DataError, match=f"{name} cannot represent") as refused:
        make_representation(name).fit(measured(50).spectra)
    named = {other for other in METHODS if other in refused.value.advice}
    assert named == {other for other, one in METHODS.items() if "flux" in one.kinds}
