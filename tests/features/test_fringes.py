"""Waves found in the continuum: those that are there, and no others."""

import numpy as np
import pytest

from catalogs.reference import packaged_reference
from survey.features.background import Background
from survey.features.fringes import find_fringes
from survey.features.spectrum import observed_spectrum
from survey.features.windows import free_samples


@pytest.fixture
def background(wavelength_um):
    """What is found in a spectrum in MJy/sr on the channel 3 grid."""

    def find(spectrum):
        observed = observed_spectrum(
            wavelength_um,
            spectrum,
            np.full(wavelength_um.shape, np.nan),
            flux_unit="MJy/sr",
            redshift=0.0,
            resolving_power=packaged_reference().resolving_power("MIRI/MRS", wavelength_um),
        )
        return Background.of(observed, packaged_reference().lines_of("mir"))

    return find


@pytest.mark.parametrize("amplitude", [0.003, 0.02])
def test_the_amplitude_of_a_fringe_is_recovered(background, with_lines, observe, amplitude):
    spectrum, _ = observe(with_lines({}), 0, fringe=amplitude, continuum_snr=300)
    waves = background(spectrum).fringes.waves
    # One wave, fitted once in each stretch; what is left of it is small.
    np.testing.assert_allclose(np.abs(waves[0]), amplitude, rtol=0.1)
    assert np.abs(waves[1:]).max(initial=0) < 0.25 * amplitude


def test_two_fringes_are_both_found(background, with_lines, wavelength_um):
    waves = sum(0.01 * np.sin(2 * np.pi / (wavelength_um * period)) for period in (2.9e-4, 2.1e-4))
    noise = np.random.default_rng(0).normal(0, 0.002, wavelength_um.size)
    found = background(with_lines({}) * (1 + waves + noise)).fringes.waves
    np.testing.assert_allclose(np.abs(found[:2]), 0.01, rtol=0.15)


def test_their_phase_is_that_of_the_spectrum(background, with_lines, observe):
    with_fringes, _ = observe(with_lines({}), 3, continuum_snr=1000)
    without, _ = observe(with_lines({}), 3, continuum_snr=1000, fringe=0.0)
    found = background(with_fringes)
    quiet = found.fringes.removed_from(found.spectrum).flux
    before = np.std(found.spectrum.flux / background(without).spectrum.flux)
    after = np.std(quiet / background(without).spectrum.flux)
    assert before == pytest.approx(0.0071, rel=0.05)
    assert after < 0.15 * before


def test_noise_is_hardly_ever_taken_for_a_fringe(background, with_lines, observe):
    found = [
        len(background(observe(with_lines({}), seed, fringe=0.0)[0]).fringes.waves)
        for seed in range(60)
    ]
    assert np.mean(found) < 0.1


def test_bands_and_bright_lines_are_no_fringes(background, with_lines, wavelength_um):
    lines = {"NeII_12.81": 6e-8, "NeIII_15.56": 3e-8}
    bands = sum(
        height
        / ((wavelength_um / centre - centre / wavelength_um) ** 2 * (centre / width) ** 2 + 1)
        for centre, width, height in [(12.69, 0.165, 8), (16.45, 0.23, 6), (12.62, 0.53, 8)]
    )
    noise = np.random.default_rng(1).normal(0, 0.1, wavelength_um.size)
    waves = background(with_lines(lines) + bands + noise).fringes.waves
    assert np.abs(waves).max(initial=0) < 2e-3


def test_a_short_or_empty_spectrum_has_none(wavelength_um):
    for keep in (slice(0, 40), slice(0, 3)):
        flux = np.ones(wavelength_um.shape)[keep]
        spectrum = observed_spectrum(
            wavelength_um[keep], flux, flux, flux_unit="Jy", redshift=0, resolving_power=None
        )
        free = free_samples(spectrum, packaged_reference().lines_of("mir"))
        assert find_fringes(spectrum, free).waves.size == 0
