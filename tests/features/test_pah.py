"""PAH bands above their straight continua, lines taken off."""

import numpy as np
import pytest

from catalogs.reference import load_bands

BAND = next(band for band in load_bands() if band.name == "PAH_12.7")
PER_UM = "W / (m2 um sr)"
AREA = 0.3


@pytest.fixture
def bump(wavelength_um):
    """A triangle of known area inside the 12.7 micron band, on a sloping continuum."""
    low, high = BAND.integration_um
    middle, half = (low + high) / 2, (high - low) / 2
    triangle = np.clip(1 - np.abs(wavelength_um - middle) / half, 0, None)
    return 5 + 0.4 * (wavelength_um - 12) + triangle * AREA / half


def _gaussian(wavelength_um, center_um, flux):
    sigma = center_um * 220 / 2.3548 / 299792.458
    return (
        flux
        / sigma
        / np.sqrt(2 * np.pi)
        * np.exp(-(((wavelength_um - center_um) / sigma) ** 2) / 2)
    )


def test_area_above_a_sloping_continuum_is_recovered(bump, measure):
    band = measure(bump, flux_unit=PER_UM)["PAH_12.7"]
    assert band.detected
    assert band.flux == pytest.approx(AREA, rel=1e-3)


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
    assert not any([cut.detected, cut.limit])
