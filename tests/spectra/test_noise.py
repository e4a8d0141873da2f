import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.config import PrepareSettings
from survey.spectra.noise import MIN_SAMPLES, spectral_noise
from survey.spectra.prepare import prepare

SAMPLES = 542


def correlated_noise(correlation, shape, seed=0):
    """Unit noise whose neighbouring samples, and only those, are correlated."""
    white = np.random.default_rng(seed).normal(size=(shape[0], shape[1] + 1))
    angle = 0.5 * np.arcsin(2 * correlation)
    return np.cos(angle) * white[:, 1:] + np.sin(angle) * white[:, :-1]


@pytest.mark.parametrize("correlation", [0.0, 0.19, 0.27, 0.45])
def test_noise_is_right_however_neighbouring_planes_are_correlated(correlation):
    noise = correlated_noise(correlation, (400, SAMPLES))
    assert np.mean(noise[:, 1:] * noise[:, :-1]) == pytest.approx(correlation, abs=0.01)
    assert spectral_noise(3.0 * noise).mean() == pytest.approx(3.0, rel=0.015)


def test_first_differences_would_have_been_deceived():
    noise = correlated_noise(0.27, (400, SAMPLES))
    naive = np.diff(noise, axis=1).std(axis=1) / np.sqrt(2)
    assert naive.mean() < 0.87


def test_lines_bands_and_steep_continua_do_not_raise_the_noise():
    wavelength_um = 17.7 + 0.006 * np.arange(SAMPLES)
    spectrum = 300.0 * (wavelength_um / 18.0) ** 3
    spectrum += 60.0 * np.exp(-0.5 * ((wavelength_um - 18.2) / 0.15) ** 2)
    for centre_um in (17.9, 18.4, 18.713, 19.4, 20.6):
        spectrum += 50.0 * np.exp(-0.5 * ((wavelength_um - centre_um) / 0.011) ** 2)
    noise = spectral_noise(spectrum + correlated_noise(0.2, (400, SAMPLES)))
    assert noise.mean() == pytest.approx(1.0, abs=0.05)


def test_samples_that_were_not_measured_do_not_count():
    noise = correlated_noise(0.0, (300, SAMPLES))
    valid = np.ones(noise.shape, dtype=bool)
    valid[:, 100:300] = False
    noise[~valid] = 0.0
    assert spectral_noise(noise, valid).mean() == pytest.approx(1.0, abs=0.03)
    assert spectral_noise(noise).mean() < 0.8
    assert np.isnan(spectral_noise(noise, np.zeros_like(valid))).all()


@given(st.floats(1e-3, 1e6), st.floats(-1e3, 1e3), st.floats(-10, 10))
def test_noise_scales_with_the_unit_and_ignores_a_straight_continuum(unit, level, slope):
    spectra = correlated_noise(0.2, (5, 200))
    changed = unit * (spectra + level + slope * np.arange(200))
    assert spectral_noise(changed) == pytest.approx(unit * spectral_noise(spectra), rel=1e-6)


def test_the_shortest_spectrum_allowed_has_a_noise():
    assert np.isfinite(spectral_noise(correlated_noise(0.0, (4, MIN_SAMPLES)))).all()


@pytest.mark.real_data
@pytest.mark.parametrize("band", ["ch4-short", "ch4-medium", "ch4-long"])
def test_pipeline_errors_of_ngc_7469_are_too_small(mrs_spectra, band):
    cube = mrs_spectra(f"NGC7469_Level3_{band}")
    ratio = prepare(*cube, redshift=0.016317, settings=PrepareSettings()).error_ratio
    low, middle, high = np.quantile(ratio, [0.05, 0.5, 0.95])
    assert 1.25 < middle < 2.0
    assert low > 0.9
    assert 2.0 < high < 3.5
