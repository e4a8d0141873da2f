"""Hardness ratios, and the cross-validation by which they are a baseline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from survey.errors import ConfigError, DataError
from survey.latent.grid import Grid
from survey.latent.hardness import balanced_accuracy, band_hardness, hardness_ratios
from survey.latent.spectra import SpectrumSet

FLUX = arrays(np.float64, 5, elements=st.just(0.0) | st.floats(1e-20, 1e-10))
GRID = Grid(np.array([0.5, 1.2, 2.0, 7.0]), "keV")


@given(FLUX, FLUX, FLUX, st.floats(1e-3, 1e3))
def test_ratios_lie_between_their_limits_and_know_no_scale(
    soft: np.ndarray, medium: np.ndarray, hard: np.ndarray, scale: float
) -> None:
    ratios = hardness_ratios(soft, medium, hard)
    assert (np.abs(ratios) <= 1).all()
    scaled = hardness_ratios(scale * soft, scale * medium, scale * hard)
    np.testing.assert_allclose(scaled, ratios, atol=1e-9)


def test_ratios_are_those_of_the_catalog() -> None:
    np.testing.assert_allclose(
        hardness_ratios(np.array([1.0]), np.array([2.0]), np.array([3.0])),
        [[(3 - 2) / 5, (3 - 1) / 4, (2 - 1) / 3]],
    )


def test_missing_fluxes_give_missing_ratios_and_dark_bands_none_or_all() -> None:
    ratios = hardness_ratios(np.array([np.nan, -1.0]), np.array([1.0, 0.0]), np.array([1.0, 4.0]))
    assert np.isnan(ratios[0]).tolist() == [False, True, True]
    np.testing.assert_allclose(ratios[1], [1.0, 1.0, 0.0])


def test_ratios_of_spectra_are_of_net_counts() -> None:
    spectra = SpectrumSet(
        np.array([[10.0, 20.0, 30.0]]),
        GRID,
        "counts",
        background_counts=np.array([[0.0, 0.0, 100.0]]),
        background_scale=np.full((1, 3), 0.1),
    )
    np.testing.assert_allclose(band_hardness(spectra), [[0.0, 1 / 3, 1 / 3]])
    with pytest.raises(DataError, match="need counts"):
        band_hardness(spectra.between(0.5, 2.0))


def test_copies_of_a_source_in_training_and_test_are_not_counted_as_knowledge() -> None:
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(40, 3)), 6, axis=0)
    sources = np.repeat([f"s{i}" for i in range(40)], 6)
    classes = np.repeat(rng.choice(["a", "b"], 40), 6)

    def score(groups: np.ndarray) -> float:
        return balanced_accuracy(
            features, classes, groups, classifier="forest", folds=3, seeds=(0,)
        ).mean

    assert score(np.arange(240).astype(str)) > 0.9
    assert score(sources) < 0.65


def test_a_class_of_few_sources_cannot_be_cross_validated() -> None:
    classes = np.array(["a"] * 20 + ["b"] * 3)
    with pytest.raises(ConfigError, match="class b"):
        balanced_accuracy(np.zeros((23, 2)), classes, np.arange(23).astype(str))
