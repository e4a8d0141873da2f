"""Line fluxes and their errors on spectra whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features.limits import upper_limit
from survey.features.spectrum import observed_spectrum
from survey.features.windows import line_windows

TRUTH = {
    "NeII_12.81": 2e-8,
    "NeIII_15.56": 1e-8,
    "H2_S1_17.03": 1e-8,
    "NeV_14.32": 5e-9,
    "H2_S2_12.28": 1e-8,
}
NOISE = 0.15


def test_noise_free_fluxes_are_recovered(with_lines, measure):
    found = measure(with_lines(TRUTH))
    for name, flux in TRUTH.items():
        assert found[name].detected
        assert found[name].flux == pytest.approx(flux, rel=2e-3)


def test_lines_broader_than_expected_lose_little(with_lines, measure):
    found = measure(with_lines(TRUTH, galaxy_fwhm_km_s=300))
    assert found["NeII_12.81"].flux == pytest.approx(TRUTH["NeII_12.81"], rel=0.02)


def _realisations(with_lines, measure, noise_of, count):
    spectrum, error = with_lines(TRUTH), None
    for seed in range(count):
        noise = noise_of(np.random.default_rng(seed).normal(0, NOISE, spectrum.size))
        error = np.full(spectrum.shape, NOISE)
        yield measure(spectrum + noise, error)


@pytest.mark.parametrize(
    "noise_of",
    [lambda white: white, lambda white: 1.9 * gaussian_filter1d(white, 1.0)],
    ids=["white", "correlated"],
)
def test_pulls_have_unit_spread(with_lines, measure, noise_of):
    pulls = [
        (found[name].snr * found[name].error - flux) / found[name].error
        for found in _realisations(with_lines, measure, noise_of, 60)
        for name, flux in TRUTH.items()
    ]
    assert 0.8 < np.std(pulls) < 1.2
    # The window loses 0.07% of the flux of these lines, a fraction of an error.
    assert abs(np.mean(pulls)) < 0.5


def test_only_the_empirical_error_knows_of_correlation(with_lines, measure):
    def mean_errors(noise_of):
        found = [f["ArV_13.10"] for f in _realisations(with_lines, measure, noise_of, 20)]
        return np.mean([f.error for f in found]), np.mean([f.error_propagated for f in found])

    white, white_propagated = mean_errors(lambda white: white)
    correlated, correlated_propagated = mean_errors(lambda white: 1.9 * gaussian_filter1d(white, 1))
    assert correlated_propagated == pytest.approx(white_propagated, rel=0.05)
    assert white == pytest.approx(white_propagated, rel=0.2)
    assert correlated > 1.4 * white


def test_spectra_without_lines_yield_no_detections(with_lines, measure):
    flat = with_lines({})
    detected = []
    for seed in range(40):
        white = np.random.default_rng(seed).normal(0, NOISE, flat.size)
        found = measure(flat + gaussian_filter1d(white, 0.8), np.full(flat.shape, NOISE))
        detected += [item.detected for item in found.values() if np.isfinite(item.flux)]
    assert len(detected) > 500
    assert np.mean(detected) < 0.02


def test_undetected_lines_are_upper_limits(with_lines, measure):
    noise = np.random.default_rng(1).normal(0, NOISE, with_lines({}).size)
    found = measure(with_lines({}) + noise, settings=FeatureSettings(upper_limit_sigma=5.0))
    line = found["NeV_14.32"]
    assert not line.detected
    assert abs(line.snr) < 3
    assert line.flux == pytest.approx(line.snr * line.error)
    assert line.limit == pytest.approx(upper_limit(line.flux, line.error, 5.0))


def test_detection_threshold_is_the_setting(with_lines, measure):
    noise = np.random.default_rng(2).normal(0, NOISE, with_lines(TRUTH).size)
    spectrum = with_lines(TRUTH) + noise
    snr = measure(spectrum)["NeV_14.32"].snr
    below, above = (
        measure(spectrum, settings=FeatureSettings(detection_sigma=snr * factor))["NeV_14.32"]
        for factor in (0.99, 1.01)
    )
    assert below.detected
    assert not above.detected
    assert above.flux == below.flux


def test_the_same_light_in_other_units_gives_the_same_flux(wavelength_um, with_lines, measure):
    per_frequency = with_lines(TRUTH)
    per_wavelength = per_frequency * 1e-20 * 299792458e6 / wavelength_um**2
    expected = measure(per_frequency)
    found = measure(per_wavelength, flux_unit="W / (m2 um sr)")
    for name in TRUTH:
        assert found[name].flux == pytest.approx(expected[name].flux, rel=1e-9)
        assert found[name].error == pytest.approx(expected[name].error, rel=1e-6)


def test_fluxes_are_those_received_whatever_the_frame(with_lines, measure, wavelength_um):
    z = 0.3
    at_rest = measure(with_lines(TRUTH))["NeII_12.81"].flux
    # Wavelengths shrunk to rest by hand: f_nu integrals shrink by 1 + z, f_lambda ones grow.
    per_frequency = measure(with_lines(TRUTH), redshift=z)["NeII_12.81"].flux
    per_wavelength = measure(
        with_lines(TRUTH) / wavelength_um**2, redshift=z, flux_unit="W / (m2 um sr)"
    )["NeII_12.81"].flux
    unshifted = measure(with_lines(TRUTH) / wavelength_um**2, flux_unit="W / (m2 um sr)")
    assert per_frequency == pytest.approx(at_rest / (1 + z))
    assert per_wavelength == pytest.approx(unshifted["NeII_12.81"].flux * (1 + z))


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(1e-6, 1e6), offset=st.floats(-100, 100))
def test_fluxes_scale_and_ignore_a_constant(with_lines, measure, wavelength_um, scale, offset):
    noise = np.random.default_rng(3).normal(0, NOISE, wavelength_um.size)
    # A constant in f_lambda is removed exactly by a straight continuum.
    spectrum = (with_lines(TRUTH) + noise) / wavelength_um**2
    expected = measure(spectrum, flux_unit="W / (m2 um sr)")
    found = measure(scale * (spectrum + offset), flux_unit="W / (m2 um sr)")
    for name in TRUTH:
        assert found[name].flux == pytest.approx(scale * expected[name].flux, rel=1e-6)
        assert found[name].snr == pytest.approx(expected[name].snr, rel=1e-6)


def test_lines_out_of_range_are_not_measured(with_lines, measure):
    line = measure(with_lines(TRUTH))["SIII_18.71"]
    assert np.isnan([line.flux, line.error, line.snr, line.continuum]).all()
    assert np.isnan([line.limit, line.equivalent_width]).all()
    assert not any([line.detected, line.edge, line.blended])


def test_a_missing_line_is_not_invented(with_lines, measure, wavelength_um):
    spectrum = with_lines(TRUTH)
    spectrum[np.abs(wavelength_um - 12.81355) < 0.008] = np.nan
    found = measure(spectrum)
    assert np.isnan(found["NeII_12.81"].flux)
    assert np.isnan(found["PAH_12.7"].flux)
    assert found["NeIII_15.56"].detected


def test_one_bad_sample_is_bridged(with_lines, measure, wavelength_um):
    spectrum = with_lines(TRUTH)
    spectrum[np.argmin(np.abs(wavelength_um - 12.806))] = np.nan
    assert measure(spectrum)["NeII_12.81"].flux == pytest.approx(2e-8, rel=0.05)


def test_a_spectrum_of_nothing_gives_nothing(measure, wavelength_um):
    found = measure(np.full(wavelength_um.shape, np.nan))
    assert all(np.isnan(item.flux) and not item.detected for item in found.values())


def test_a_line_at_the_end_is_flagged(with_lines, measure, wavelength_um):
    spectrum = with_lines(TRUTH)
    spectrum[wavelength_um > 12.85] = np.nan
    line = measure(spectrum)["NeII_12.81"]
    assert line.edge
    assert line.flux == pytest.approx(2e-8, rel=0.01)


def test_continuum_is_reported_in_the_unit_of_the_spectrum(with_lines, measure):
    line = measure(with_lines(TRUTH))["NeIII_15.56"]
    assert line.continuum == pytest.approx(20 * (15.5551 / 14) ** 2, rel=1e-3)


def test_a_detected_neighbour_flags_the_blend(with_lines, measure):
    alone = measure(with_lines({"NeV_14.32": 5e-9}))["NeV_14.32"]
    beside = measure(with_lines({"NeV_14.32": 5e-9, "ClII_14.37": 5e-9}))["NeV_14.32"]
    assert not alone.blended
    assert beside.blended
    assert beside.flux == pytest.approx(alone.flux, rel=0.01)


def test_equal_neighbours_share_the_gap_between_them():
    wavelength = np.arange(0.62, 0.70, 0.0001)
    empty = np.zeros(wavelength.shape)
    spectrum = observed_spectrum(
        wavelength, empty, empty, flux_unit="Jy", redshift=0, resolving_power=2000.0
    )
    lines = [
        line
        for line in packaged_reference().lines_of("optical")
        if line.name in ("SII_6716", "SII_6731")
    ]
    windows = line_windows(spectrum, lines)
    middle = sum(line.wavelength_um for line in lines) / 2
    assert windows.narrowed.all()
    assert windows.high_um[0] == pytest.approx(middle)
    assert windows.low_um[1] == pytest.approx(middle)

    rare = [lines[0], replace(lines[1], common=False)]
    windows = line_windows(spectrum, rare)
    assert windows.narrowed.tolist() == [False, True]
    assert windows.low_um[1] == pytest.approx(windows.high_um[0])
