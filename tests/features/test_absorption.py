"""Balmer lines above stellar absorption."""

import numpy as np
import pytest

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features.measurements import measure_features
from survey.features.spectrum import observed_spectrum

FWHM_PER_SIGMA = 2.3548
WAVELENGTH_UM = np.arange(0.470, 0.520, 0.000125)
EMITTED = 1e-18
CONTINUUM = EMITTED / 3e-4
"""Per micron: the equivalent width of the emission is 3 Angstrom."""


def gaussian(centre_um, fwhm_km_s):
    sigma = centre_um * fwhm_km_s / 299792.458 / FWHM_PER_SIGMA
    return np.exp(-(((WAVELENGTH_UM - centre_um) / sigma) ** 2) / 2) / np.sqrt(2 * np.pi) / sigma


def hbeta(*, emission, absorption_angstrom, noise=0.004, seed=0, **settings):
    """H beta as measured: narrow emission in a broader stellar line."""
    (line,) = (line for line in packaged_reference().lines if line.name == "Hbeta_4861")
    stars = 1 - absorption_angstrom * 1e-4 * gaussian(line.wavelength_um, 400)
    spectrum = CONTINUUM * stars + emission * gaussian(line.wavelength_um, 200)
    rng = np.random.default_rng(seed)
    spectrum += noise * CONTINUUM * rng.standard_normal(WAVELENGTH_UM.size)
    observed = observed_spectrum(
        WAVELENGTH_UM,
        spectrum,
        np.full(WAVELENGTH_UM.shape, noise * CONTINUUM),
        flux_unit="W / (m2 um)",
        redshift=0.0,
        resolving_power=packaged_reference().resolving_power("MUSE", WAVELENGTH_UM),
    )
    (found,) = measure_features(observed, [line], (), FeatureSettings(**settings))
    return found


@pytest.mark.parametrize("absorption_angstrom", [1.0, 2.0, 3.0])
def test_emission_above_usual_absorption_is_recovered_within_its_error(absorption_angstrom):
    line = hbeta(emission=1.5 * EMITTED, absorption_angstrom=absorption_angstrom)
    assert line.detected
    assert abs(line.flux - 1.5 * EMITTED) < 2 * line.error
    assert line.error > 0.2 * EMITTED, "how much stars absorb is not known well"


def test_without_the_correction_most_of_a_faint_line_is_lost():
    line = hbeta(emission=EMITTED, absorption_angstrom=2.0, stellar_absorption=False)
    assert line.flux < 0.5 * EMITTED


@pytest.mark.parametrize("absorption_angstrom", [0.0, 1.0, 2.0, 4.0])
def test_the_correction_alone_is_never_a_detection(absorption_angstrom):
    for seed in range(20):
        line = hbeta(emission=0.0, absorption_angstrom=absorption_angstrom, seed=seed)
        assert not line.detected
        assert not line.displaced, "nor is a shoulder of the stellar line taken for it"


def test_flux_that_is_mostly_correction_is_marked():
    assert hbeta(emission=0.8 * EMITTED, absorption_angstrom=2.0).absorbed
    bright = hbeta(emission=5 * EMITTED, absorption_angstrom=2.0)
    assert not bright.absorbed
    assert bright.flux == pytest.approx(5 * EMITTED, rel=0.05)
