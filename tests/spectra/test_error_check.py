"""Errors of cubes against the noise of their spectra."""

import re

import numpy as np
import pytest

from survey.spectra.error_check import doubt_about_errors

NOISE = np.geomspace(1e-3, 3e-3, 50)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NOISE / 25, None),
        (NOISE * 3, None),
        (NOISE / 1e4, "is 1e.04 times its errors: look at their unit"),
        (NOISE * 1e3, "is 0.001 times its errors: look at their unit"),
        (NOISE**2, "they may be variances"),
        (np.full(50, np.nan), "none of its errors is positive"),
    ],
)
def test_errors_far_from_the_noise_are_named_with_the_ratio(error, words):
    found = doubt_about_errors(NOISE / error, NOISE, given=True)
    if words is None:
        assert found is None
    else:
        assert re.search(words, found)


def test_a_cube_without_errors_is_not_doubted():
    assert doubt_about_errors(np.full(50, np.nan), NOISE, given=False) is None
