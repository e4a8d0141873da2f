"""A point source over a level is found exactly, and is never negative."""

import numpy as np
import pytest

from survey.spectra.psf.point_source import (
    in_core,
    largest_point_source,
    point_source_over_level,
)
from survey.spectra.psf.profiles import RoundProfile

PLANES = 60
SPECTRUM = 50.0 + 30.0 * np.exp(-0.5 * ((np.arange(PLANES) - 40) / 2.0) ** 2)


def field(side=13):
    y, x = (axis.ravel() - side // 2 for axis in np.indices((side, side), dtype=float))
    return y, x, RoundProfile(np.linspace(2.0, 2.6, PLANES)).share(y, x)


def test_the_level_under_a_point_source_is_not_its_light():
    _, _, share = field()
    level = np.linspace(1.0, 3.0, PLANES)
    found = point_source_over_level(share * SPECTRUM + level, share)
    assert found.spectrum == pytest.approx(SPECTRUM, rel=1e-9)
    assert found.flux == pytest.approx(share * SPECTRUM)


def test_a_hole_is_no_point_source():
    _, _, share = field()
    assert not point_source_over_level(5.0 - share * SPECTRUM, share).spectrum.any()


def test_the_scatter_of_the_amplitude_is_that_of_the_noise():
    _, _, share = field()
    rng = np.random.default_rng(1)
    noisy = 100 * share + 5.0 + rng.normal(size=share.shape)
    found = point_source_over_level(noisy, share).spectrum
    expected = 1 / np.sqrt(np.square(share - share.mean(axis=0)).sum(axis=0))
    assert np.std((found - 100) / expected) == pytest.approx(1.0, abs=0.25)


def test_shares_of_light_are_between_none_and_all():
    _, _, share = field()
    source = point_source_over_level(share * SPECTRUM, share)
    total = source.flux.sum(axis=1)
    assert source.share_of_light(2 * total) == pytest.approx(0.5)
    assert source.share_of_light(0.5 * total).max() == 1.0
    assert source.share_of_light(-total).min() == 1.0, "nothing is left of a negative spaxel"


def test_the_largest_point_source_has_all_light_of_the_core():
    y, x, share = field()
    core = in_core(np.hypot(y, x), np.array([2.3]))
    found = largest_point_source(share * SPECTRUM, share, core)
    assert found.spectrum == pytest.approx(SPECTRUM, rel=0.02)
