"""Upper limits hold as often as they say, in every spectrum."""

import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from survey.features.limits import upper_limit

DRAWS = 200_000
CONFIDENCE = 0.9973


@pytest.mark.parametrize("truth", [0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 50.0])
def test_true_fluxes_exceed_their_limit_in_at_most_three_of_a_thousand_draws(truth):
    measured = truth + np.random.default_rng(0).normal(size=DRAWS)
    exceeded = np.mean(truth > upper_limit(measured, 1.0, 3.0))
    assert exceeded < 1 - CONFIDENCE + 3 * np.sqrt((1 - CONFIDENCE) / DRAWS)


def test_a_limit_of_three_sigma_whatever_was_measured_does_not_hold():
    truth = 3.0
    measured = truth + np.random.default_rng(0).normal(size=DRAWS)
    undetected = measured[measured < 3.0]
    assert np.mean(truth >= 3.0 * np.ones_like(undetected)) == 1.0
    assert np.mean(truth > upper_limit(undetected, 1.0, 3.0)) < 0.01


def test_the_limit_is_that_of_zero_flux_in_sigma_and_one_sided_far_above():
    assert upper_limit(0.0, 2.0, 3.0) == pytest.approx(6.0)
    one_sided = -norm.ppf(2 * norm.sf(3.0))
    assert upper_limit(100.0, 2.0, 3.0) == pytest.approx(100.0 + 2.0 * one_sided)


@pytest.mark.parametrize("snr", [-20.0, -3.0, 0.0, 1.5, 8.0])
def test_the_limit_is_a_quantile_of_what_the_classes_draw_from(snr):
    drawn_from = truncnorm(-snr, np.inf, loc=snr)
    assert drawn_from.sf(upper_limit(snr, 1.0, 3.0)) == pytest.approx(1 - CONFIDENCE, rel=2e-3)


def test_limits_are_positive_however_negative_the_flux_and_grow_with_it():
    limit = upper_limit(np.linspace(-100.0, 100.0, 2001), 1.0, 3.0)
    assert (limit > 0).all()
    assert (np.diff(limit) > 0).all()


def test_limits_of_faint_lines_hold_in_whole_spectra(with_lines, measure):
    faint = {"NeV_14.32": 1.5e-10, "ArV_13.10": 3e-10, "MgV_13.52": 0.0, "NaVI_14.40": 2e-10}
    bright = {"NeII_12.81": 2e-8, "NeIII_15.56": 1e-8}
    spectrum, noise = with_lines(faint | bright), 0.8
    excess, snr = [], []
    for seed in range(120):
        white = np.random.default_rng(seed).normal(0, noise, spectrum.size)
        found = measure(spectrum + white, np.full(spectrum.shape, noise))
        excess += [truth > found[name].limit for name, truth in faint.items()]
        snr += [found[name].snr for name in faint]
    assert 0.5 < np.mean(snr) < 2.5, "between nothing and a detection"
    assert np.mean(excess) < 0.01
