"""Errors of latents are right at any brightness; at equal counts latents do not tell the counts."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import balanced_accuracy_score, r2_score

from survey.latents.calibration import calibrate
from survey.latents.models.base import Representation
from survey.latents.models.model_io import load_model, save_model
from survey.latents.models.nmf import SpectralNMF
from survey.latents.models.pca import SpectralPCA
from survey.latents.uncertainty import (
    covariance_of,
    coverage_of_repeats,
    latent_draws,
    latent_uncertainty,
)
from tests.latents.toys import Toy, counted

RANGES = ((40, 100), (100, 1000), (1000, 4000))


@pytest.fixture(scope="module")
def known() -> Toy:
    return counted(500, seed=5)


@pytest.fixture(scope="module", params=[SpectralPCA, SpectralNMF])
def model(request: pytest.FixtureRequest, known: Toy) -> Representation:
    fitted = request.param(3).fit(known.spectra)
    calibrate(fitted, known.spectra)
    return fitted


def test_two_thirds_of_the_latents_are_within_an_error_at_any_brightness(
    model: Representation,
) -> None:
    for number, counts in enumerate(RANGES):
        new = counted(200, seed=20 + number, counts=counts)
        share = coverage_of_repeats(model, new.spectra, new.expected).mean()
        assert share == pytest.approx(0.68, abs=0.06), counts


def test_calibration_widens_errors_that_are_too_small(known: Toy) -> None:
    model = SpectralPCA(3).fit(known.spectra)
    few = counted(200, seed=20, counts=RANGES[0])
    plain = latent_uncertainty(model, few.spectra)
    calibrate(model, known.spectra)
    assert np.median(latent_uncertainty(model, few.spectra) / plain) > 1.05


def test_latents_at_equal_counts_tell_classes_and_hardly_the_counts(
    model: Representation, known: Toy
) -> None:
    new = counted(500, seed=6)
    scores = {}
    for name in ("plain", "equal"):
        learned, judged = (
            model.transform(one.spectra)
            if name == "plain"
            else model.at_equal_counts(model.transform(one.spectra), one.spectra.totals)
            for one in (known, new)
        )
        brightness = [np.log10(one.spectra.totals) for one in (known, new)]
        regressor = RandomForestRegressor(60, min_samples_leaf=3, random_state=0)
        classifier = RandomForestClassifier(60, min_samples_leaf=3, random_state=0)
        scores[name] = (
            r2_score(brightness[1], regressor.fit(learned, brightness[0]).predict(judged)),
            balanced_accuracy_score(
                new.classes, classifier.fit(learned, known.classes).predict(judged)
            ),
        )
    assert scores["equal"][0] < 0.3
    assert scores["equal"][0] < scores["plain"][0]
    assert scores["equal"][1] > scores["plain"][1] - 0.02


def test_a_class_of_bright_sources_is_still_one_at_equal_counts() -> None:
    faint, bright = counted(300, seed=1, counts=(40, 200)), counted(300, seed=2, counts=(900, 4000))
    thermal, law = faint.classes == "thermal", bright.classes != "thermal"
    few, many = faint.spectra.rows(thermal), bright.spectra.rows(law)
    both = replace(
        few,
        **{
            name: np.concatenate([getattr(few, name), getattr(many, name)])
            for name in ("values", "mask", "background_counts", "background_scale", "redshift",
                         "exposure_s")
        },
        ids=np.arange(len(few) + len(many)).astype(str),
        sources=np.concatenate([few.sources, np.char.add(many.sources, "b")]),
    )  # fmt: skip
    model = SpectralPCA(2).fit(both)
    calibrate(model, both)
    latents = model.transform(both)
    law = np.repeat([False, True], [len(few), len(many)])
    apart = []
    for found in (latents, model.at_equal_counts(latents, both.totals)):
        shift = np.abs(found[law].mean(axis=0) - found[~law].mean(axis=0)) / found.std(axis=0)
        apart.append(shift.max())
    assert apart[1] > 0.5 * apart[0] > 0.5


def test_a_saved_model_keeps_its_calibration(model: Representation, known: Toy, tmp_path) -> None:
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    few = known.spectra.rows(np.arange(20))
    np.testing.assert_array_equal(latent_uncertainty(again, few), latent_uncertainty(model, few))
    latents = model.transform(few)
    np.testing.assert_array_equal(
        again.at_equal_counts(latents, few.totals), model.at_equal_counts(latents, few.totals)
    )


def test_a_model_that_is_not_calibrated_leaves_latents_and_too_few_spectra_teach_nothing() -> None:
    few = counted(40).spectra
    model = SpectralPCA(2).fit(few)
    latents = model.transform(few)
    assert model.at_equal_counts(latents, few.totals) is latents
    calibrate(model, few)
    np.testing.assert_array_equal(model.at_equal_counts(latents, few.totals), latents)


def test_covariances_have_the_errors_on_their_diagonals(model: Representation, known: Toy) -> None:
    few = known.spectra.rows(np.arange(10))
    draws, counts = latent_draws(model, few)
    assert draws.shape == (16, 10, 3)
    assert counts.shape == (16, 10)
    errors = latent_uncertainty(model, few)
    covariance = covariance_of(draws, errors)
    np.testing.assert_allclose(np.sqrt(np.einsum("nii->ni", covariance)), errors)
    assert (np.linalg.eigvalsh(covariance) > -1e-9 * np.trace(covariance[0])).all()
