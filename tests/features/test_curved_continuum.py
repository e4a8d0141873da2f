"""Lines on PAH bands, and lines of several widths: fluxes without a bias."""

import numpy as np
import pytest

from catalogs.reference import load_pah_profiles

NOISE = 0.1
NEON = {"NeII_12.81": 4e-8, "NeIII_15.56": 3e-8, "NeV_14.32": 2e-8}
SEEDS = range(25)


@pytest.fixture(scope="module")
def pah_bands(wavelength_um):
    """All PAH features, each half as high as the continuum of `with_lines` at 14 um, in MJy/sr."""
    total = np.zeros(wavelength_um.shape)
    for centre, fwhm in load_pah_profiles():
        detuning = wavelength_um / centre - centre / wavelength_um
        total += 10 * (fwhm / centre) ** 2 / (detuning**2 + (fwhm / centre) ** 2)
    return total


def both_widths(with_lines, fluxes):
    """Half of the light in lines of 120 km/s, half in lines of 350 km/s."""
    narrow, broad = (with_lines(fluxes, galaxy_fwhm_km_s=width) for width in (120.0, 350.0))
    return (narrow + broad) / 2


def test_bright_neon_lines_of_two_widths_on_bands_are_right_to_one_per_cent(
    with_lines, measure, pah_bands, wavelength_um
):
    spectrum = both_widths(with_lines, NEON) + pah_bands
    ratios, snr = {name: [] for name in NEON}, []
    for seed in SEEDS:
        noise = np.random.default_rng(seed).normal(0, NOISE, spectrum.size)
        found = measure(spectrum + noise, np.full(spectrum.shape, NOISE))
        for name, flux in NEON.items():
            ratios[name].append(found[name].flux / flux)
            snr.append(found[name].snr)
    assert min(snr) > 30
    for name, values in ratios.items():
        assert np.median(values) == pytest.approx(1.0, abs=0.01), name


def test_bands_are_not_taken_for_faint_lines(with_lines, measure, pah_bands):
    spectrum = with_lines({}) + pah_bands
    detected, pulls = [], []
    for seed in SEEDS:
        noise = np.random.default_rng(seed).normal(0, NOISE, spectrum.size)
        found = measure(spectrum + noise, np.full(spectrum.shape, NOISE), bands=())
        known = [item for item in found.values() if np.isfinite(item.flux)]
        detected += [item.detected for item in known]
        pulls += [item.snr for item in known]
    assert np.mean(detected) < 0.01
    assert np.sqrt(np.mean(np.square(pulls))) < 1.5


def test_the_equivalent_width_is_flux_over_continuum_in_the_rest_frame(with_lines, measure):
    line = measure(with_lines({"NeIII_15.56": 1e-8}), redshift=0.0)["NeIII_15.56"]
    level = 20 * (15.5551 / 14) ** 2 * 1e-20 * 299792.458e9 / 15.5551**2
    assert line.equivalent_width == pytest.approx(1e-8 / level, rel=5e-3)
    moved = measure(with_lines({"NeIII_15.56": 1e-8}), redshift=1.0)["NeIII_15.56"]
    assert moved.equivalent_width == pytest.approx(line.equivalent_width, rel=1e-6)


def test_without_a_continuum_there_is_no_equivalent_width(with_lines, measure, wavelength_um):
    only = with_lines(NEON) - with_lines({})
    noise = np.random.default_rng(1).normal(0, NOISE, only.size)
    line = measure(only + noise, np.full(only.shape, NOISE))["NeIII_15.56"]
    assert line.detected
    assert np.isnan(line.equivalent_width)


def test_errors_of_equivalent_widths_are_their_scatter(with_lines, measure):
    spectrum = with_lines(NEON)
    pulls, truth = [], measure(spectrum)["NeIII_15.56"].equivalent_width
    for seed in range(60):
        noise = np.random.default_rng(seed).normal(0, 1.0, spectrum.size)
        line = measure(spectrum + noise, np.full(spectrum.shape, 1.0), bands=())["NeIII_15.56"]
        pulls.append((line.equivalent_width - truth) / line.equivalent_width_error)
    assert 0.7 < np.std(pulls) < 1.3
