"""PAH bands above their straight continua, lines taken off."""

import numpy as np
import pytest
from scipy.integrate import quad

from catalogs.reference import packaged_reference

BAND = next(band for band in packaged_reference().bands if band.name == "PAH_12.7")
PER_UM = "W / (m2 um sr)"
AREA = 0.3


@pytest.fixture
def bump(wavelength_um):
    """A triangle of known area inside the 12.7 micron band, on a sloping continuum."""
    low, high = BAND.integration_um
    middle, half = (low + high) / 2, (high - low) / 2
    triangle = np.clip(1 - np.abs(wavelength_um - middle) / half, 0, None)
    return 5 + 0.4 * (wavelength_um - 12) + triangle * AREA / half


def _gaussian(wavelength_um, centre_um, flux):
    sigma = centre_um * 220 / 2.3548 / 299792.458
    return (
        flux
        / sigma
        / np.sqrt(2 * np.pi)
        * np.exp(-(((wavelength_um - centre_um) / sigma) ** 2) / 2)
    )


def test_area_above_a_sloping_continuum_is_recovered(bump, measure):
    band = measure(bump, flux_unit=PER_UM)["PAH_12.7"]
    assert band.detected
    assert band.flux == pytest.approx(AREA, rel=1e-3)


def _drudes_per_um(wavelength_um):
    """The 12.7 micron complex, two Drude profiles of unit power in all (W/m2/um)."""
    total = 0.0
    for (centre, fwhm), power in zip(BAND.drudes, (0.6, 0.4), strict=True):
        width = fwhm / centre
        detuning = wavelength_um / centre - centre / wavelength_um
        # Drude (1900) in f_nu; its integral over frequency is pi/2 c peak width / centre.
        total += power * 2 * centre * width / (np.pi * wavelength_um**2) / (detuning**2 + width**2)
    return total


@pytest.mark.parametrize("neon", [0.0, 0.5, 3.0])
def test_drudes_are_measured_above_their_chord_whatever_neon_does(measure, wavelength_um, neon):
    assert quad(_drudes_per_um, 1, 1000, points=[12.6], limit=500)[0] == pytest.approx(1, abs=0.01)
    spectrum = 5 + _drudes_per_um(wavelength_um) + _gaussian(wavelength_um, 12.81355, neon)
    low, high = BAND.integration_um
    sides = np.concatenate(
        [np.linspace(*BAND.continuum_blue_um, 100), np.linspace(*BAND.continuum_red_um, 30)]
    )
    # The density of samples is the same on both sides, so that each counts by its width.
    chord = np.polynomial.Polynomial.fit(sides, _drudes_per_um(sides), 1).integ()
    expected = quad(_drudes_per_um, low, high)[0] - (chord(high) - chord(low))
    found = measure(spectrum, flux_unit=PER_UM)
    assert found["PAH_12.7"].flux == pytest.approx(expected, rel=0.01)
    assert found["PAH_12.7"].flux == pytest.approx(0.56, abs=0.03)
    if neon:
        assert found["NeII_12.81"].flux == pytest.approx(neon, rel=0.01)


def test_neon_out_of_place_does_not_count_either(bump, measure, wavelength_um):
    neon = _gaussian(wavelength_um, 12.81355 * (1 + 500 / 299792.458), 0.2)
    noise = np.random.default_rng(0).normal(0, 0.02, wavelength_um.size)
    found = measure(bump + neon + noise, flux_unit=PER_UM)
    assert found["NeII_12.81"].displaced
    assert found["PAH_12.7"].flux == pytest.approx(AREA, abs=3 * found["PAH_12.7"].error)


def test_neon_on_the_band_does_not_count(bump, measure, wavelength_um):
    neon = _gaussian(wavelength_um, 12.81355, 0.2)
    found = measure(bump + neon, flux_unit=PER_UM)
    assert found["NeII_12.81"].flux == pytest.approx(0.2, rel=0.01)
    assert found["PAH_12.7"].flux == pytest.approx(AREA, rel=0.02)


def test_masked_lines_do_not_count(bump, measure, wavelength_um):
    lines = _gaussian(wavelength_um, 12.27861, 0.05) + _gaussian(wavelength_um, 12.371898, 0.05)
    band = measure(bump + lines, flux_unit=PER_UM)["PAH_12.7"]
    assert band.flux == pytest.approx(AREA, rel=0.02)


def test_pulls_are_sane_and_nothing_is_hardly_ever_detected(bump, measure, wavelength_um):
    pulls, empty = [], []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(0, 0.03, wavelength_um.size)
        error = np.full(noise.shape, 0.03)
        band = measure(bump + noise, error, flux_unit=PER_UM)["PAH_12.7"]
        pulls.append((band.flux - AREA) / band.error)
        found = measure(5 + noise, error, flux_unit=PER_UM)
        empty += [item.detected for name, item in found.items() if name.startswith("PAH")]
    assert 0.6 < np.std(pulls) < 1.2
    assert np.mean(empty) < 0.02


def test_curvature_of_the_continuum_is_an_error(measure, wavelength_um):
    noise = np.random.default_rng(4).normal(0, 1e-3, wavelength_um.size)
    straight = measure(5 + noise, flux_unit=PER_UM)["PAH_12.7"]
    curved = measure(5 + noise - (wavelength_um - 12.6) ** 2, flux_unit=PER_UM)["PAH_12.7"]
    assert curved.error > 20 * straight.error


def test_a_band_without_its_side_is_not_measured(bump, measure, wavelength_um):
    whole = measure(np.where(wavelength_um < 13.24, bump, np.nan), flux_unit=PER_UM)["PAH_12.7"]
    assert whole.edge
    assert whole.flux == pytest.approx(AREA, rel=1e-3)
    cut = measure(np.where(wavelength_um < 13.15, bump, np.nan), flux_unit=PER_UM)["PAH_12.7"]
    assert cut.edge
    assert np.isnan(cut.flux)
    assert not cut.detected
    assert np.isnan(cut.limit)
