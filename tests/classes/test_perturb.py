import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, truncnorm

from survey.classes.perturb import draw_fluxes
from survey.classes.ratios import FeatureFluxes
from survey.features.limits import upper_limit

N = 20_000


def repeated(snr: float, error: float = 2e-19) -> FeatureFluxes:
    """One feature measured with the same result in many clusters."""
    flux, sigma = np.full((N, 1), snr * error), np.full((N, 1), error)
    return FeatureFluxes(("A",), flux, sigma, flux >= 3 * sigma, upper_limit(flux, sigma, 3.0))


@given(st.floats(-100, 100), st.floats(1e-25, 1e10), st.integers(0, 99))
def test_drawn_fluxes_are_positive_and_finite(snr: float, error: float, seed: int) -> None:
    value, sigma = np.array([[snr * error]]), np.array([[error]])
    one = FeatureFluxes(("A",), value, sigma, value >= 3 * sigma, sigma)
    flux = draw_fluxes(one, np.random.default_rng(seed))
    assert flux >= 0
    assert np.isfinite(flux)


@pytest.mark.parametrize("snr", [-8.0, -1.0, 0.0, 2.0, 5.0])
def test_fluxes_are_drawn_from_the_normal_distribution_cut_at_zero(snr: float) -> None:
    flux = draw_fluxes(repeated(snr), np.random.default_rng(1))
    expected = truncnorm(-snr, np.inf, loc=snr)
    assert kstest(flux[:, 0] / 2e-19, expected.cdf).pvalue > 1e-3


def test_a_bright_line_is_drawn_within_its_error() -> None:
    flux = draw_fluxes(repeated(20.0), np.random.default_rng(2))
    assert flux.mean() == pytest.approx(20 * 2e-19, rel=1e-3)
    assert flux.std() == pytest.approx(2e-19, rel=0.02)


@pytest.mark.parametrize("snr", [-3.0, 0.0, 2.5, 10.0])
def test_almost_all_draws_are_below_the_upper_limit(snr: float) -> None:
    fluxes = repeated(snr)
    flux = draw_fluxes(fluxes, np.random.default_rng(3))
    assert np.mean(flux < fluxes.limit) == pytest.approx(0.9973, abs=2e-3)


def test_what_was_not_measured_is_not_drawn() -> None:
    nothing = np.array([[np.nan]])
    fluxes = FeatureFluxes(("A",), nothing, nothing, np.array([[False]]), nothing)
    assert np.isnan(draw_fluxes(fluxes, np.random.default_rng(4))).all()
