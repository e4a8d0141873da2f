"""Profiles of the point-spread function hold all light, and are as wide as they say."""

import numpy as np
import pytest

from survey.spectra.psf.profiles import RoundProfile

FWHM = np.array([1.5, 3.0])


def grid(side):
    y, x = (axis.ravel() - side / 2 for axis in np.indices((side, side), dtype=float))
    return y, x


@pytest.mark.parametrize(("shape", "lost"), [("moffat", 0.002), ("gaussian", 1e-9)])
def test_all_light_of_a_point_source_is_in_some_spaxel(shape, lost):
    share = RoundProfile(FWHM, shape).share(*grid(60))
    assert share.min() >= 0
    assert share.sum(axis=0) == pytest.approx(1.0, abs=lost)


@pytest.mark.parametrize("shape", ["moffat", "gaussian"])
def test_a_profile_falls_to_half_where_its_width_says(shape):
    # Spaxels much smaller than the profile take nothing away from its peak.
    wide = RoundProfile(np.array([40.0]), shape)
    centre, half = wide.share(np.zeros(2), np.array([0.0, 20.0]))[:, 0]
    assert half / centre == pytest.approx(0.5, rel=2e-3)


def test_some_planes_of_a_profile_are_those_of_the_whole():
    profile = RoundProfile(np.linspace(1, 3, 7))
    y, x = grid(9)
    part = profile.of_planes(np.array([2, 5])).share(y, x)
    assert part == pytest.approx(profile.share(y, x)[:, [2, 5]])
