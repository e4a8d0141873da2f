"""The continuum slope of power laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.reference import packaged_reference
from survey.features.slope import continuum_slope
from survey.features.spectrum import observed_spectrum


def _slope(wavelength_um, spectrum, flux_unit="MJy/sr"):
    error = np.full(np.shape(spectrum), np.nan)
    observed = observed_spectrum(wavelength_um, spectrum, error, flux_unit=flux_unit, redshift=0.0)
    return continuum_slope(
        observed, packaged_reference().slope(), packaged_reference().lines_of("mir")
    )


@settings(max_examples=20, deadline=None)
@given(alpha=st.floats(-4, 4), scale=st.floats(1e-3, 1e3))
def test_a_power_law_has_its_index(wavelength_um, alpha, scale):
    slope = _slope(wavelength_um, scale * wavelength_um**alpha)
    assert slope.alpha == pytest.approx(alpha, abs=1e-6)
    assert slope.error < 1e-6


def test_the_index_is_that_of_f_nu_in_any_unit(wavelength_um):
    slope = _slope(wavelength_um, wavelength_um ** (2.0 - 2.0), "W / (m2 um sr)")
    assert slope.alpha == pytest.approx(2.0, abs=1e-6)


def test_lines_and_bands_do_not_tilt_it(wavelength_um, with_lines):
    slope = _slope(wavelength_um, with_lines({"NeIII_15.56": 1e-6, "NeV_14.32": 1e-6}))
    assert slope.alpha == pytest.approx(2.0, abs=1e-3)
    bands = 1 + 5 * ((wavelength_um > 12.3) & (wavelength_um < 13.0))
    assert _slope(wavelength_um, wavelength_um * bands).alpha == pytest.approx(1.0, abs=1e-6)


def test_noise_shows_in_the_error(wavelength_um):
    alphas, errors = [], []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(1, 0.2, wavelength_um.size)
        slope = _slope(wavelength_um, wavelength_um * noise)
        alphas.append(slope.alpha)
        errors.append(slope.error)
    assert np.std(alphas) == pytest.approx(np.median(errors), rel=0.4)


@pytest.mark.parametrize("part", [slice(0, 760), slice(0, 0)], ids=["ch3-short", "nothing"])
def test_too_short_a_range_has_no_slope(wavelength_um, part):
    spectrum = np.full(wavelength_um.shape, np.nan)
    spectrum[part] = 1.0
    assert np.isnan(_slope(wavelength_um, spectrum)).all()


def test_a_negative_continuum_has_no_slope(wavelength_um):
    assert np.isnan(_slope(wavelength_um, -wavelength_um)).all()
