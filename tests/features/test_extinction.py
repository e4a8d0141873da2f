"""Extinction by the Balmer lines, against published numbers."""

import numpy as np
import pytest

from survey.features.extinction import CASE_B, balmer_extinction, extinction_law


def test_the_law_is_that_of_cardelli_clayton_and_mathis():
    # their table 3, R_V = 3.1: V and R (0.55, 0.70 micron); and as often quoted, both lines
    assert extinction_law(0.55) == pytest.approx(1.0, abs=0.01)
    assert extinction_law(0.70) == pytest.approx(0.751, abs=0.01)
    assert extinction_law(0.6563) == pytest.approx(0.818, abs=0.003)
    assert extinction_law(0.4861) == pytest.approx(1.164, abs=0.003)


def test_reddened_lines_give_their_extinction_back():
    for a_v in (-0.1, 0.0, 1.0, 5.0):
        halpha = CASE_B * 10 ** (-0.4 * a_v * extinction_law(0.65646))
        hbeta = 10 ** (-0.4 * a_v * extinction_law(0.48627))
        found = balmer_extinction(halpha, 0.01 * halpha, hbeta, 0.02 * hbeta)
        assert found.a_v == pytest.approx(a_v, abs=1e-9)
        assert found.decrement == pytest.approx(halpha / hbeta)


def test_errors_are_the_scatter_of_noisy_fluxes():
    random = np.random.default_rng(1)
    halpha, hbeta = 4.0 + 0.1 * random.normal(size=4000), 1.0 + 0.05 * random.normal(size=4000)
    drawn = [balmer_extinction(a, 0.1, b, 0.05) for a, b in zip(halpha, hbeta, strict=True)]
    stated = balmer_extinction(4.0, 0.1, 1.0, 0.05)
    assert np.std([one.a_v for one in drawn]) == pytest.approx(stated.a_v_error, rel=0.05)
    scatter = np.std([one.decrement for one in drawn])
    assert scatter == pytest.approx(stated.decrement_error, rel=0.05)
