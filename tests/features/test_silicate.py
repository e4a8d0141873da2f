"""The silicate feature of spectra whose strength is known."""

import numpy as np
import pytest

from catalogs.reference import packaged_reference
from survey.features.silicate import silicate_strength
from survey.features.spectrum import observed_spectrum

LINES = packaged_reference().lines_of("mir")


def measured(wavelength_um, f_nu, flux_unit="MJy/sr", resolving_power=2500.0):
    spectrum = observed_spectrum(
        wavelength_um,
        f_nu,
        np.full(np.shape(f_nu), np.nan),
        flux_unit=flux_unit,
        redshift=0.0,
        resolving_power=np.full(np.shape(f_nu), resolving_power),
    )
    return silicate_strength(spectrum, LINES)


def absorbed(wavelength_um, strength, alpha=1.3):
    """A power law with a feature as wide as that of silicates, flat around its middle."""
    profile = np.exp(-0.5 * ((wavelength_um - 9.8) / 1.0) ** 4)
    return wavelength_um**alpha * np.exp(strength * profile)


@pytest.mark.parametrize("strength", [-3.0, -0.5, 0.0, 0.4])
@pytest.mark.parametrize(("step_um", "power"), [(0.001, 2500.0), (0.06, 90.0)])
def test_the_strength_of_a_feature_is_found(strength, step_um, power):
    wavelength = np.arange(5.0, 15.5, step_um)
    found = measured(wavelength, absorbed(wavelength, strength), resolving_power=power)
    assert found.strength == pytest.approx(strength, abs=0.02)


def test_a_line_in_the_feature_does_not_count():
    wavelength = np.arange(5.0, 15.5, 0.001)
    line = 30.0 * np.exp(-0.5 * ((wavelength - 9.6649) / 0.002) ** 2)
    with_line = absorbed(wavelength, -1.0) + line
    assert measured(wavelength, with_line).strength == pytest.approx(-1.0, abs=0.02)


def test_a_spectrum_that_does_not_cover_it_has_none():
    for low, high in ((11.5, 18.0), (5.0, 13.0), (7.0, 15.5)):
        wavelength = np.arange(low, high, 0.001)
        assert np.isnan(measured(wavelength, absorbed(wavelength, -1.0))).all()


def test_errors_are_the_scatter_of_noisy_spectra():
    random = np.random.default_rng(3)
    wavelength = np.arange(5.0, 15.5, 0.01)
    truth = absorbed(wavelength, -1.0)
    drawn = [
        measured(wavelength, truth * (1 + 0.05 * random.normal(size=truth.size))) for _ in range(60)
    ]
    scatter = np.std([one.strength for one in drawn])
    assert np.median([one.error for one in drawn]) == pytest.approx(scatter, rel=0.3)
