"""At low resolution a PAH band is not taken for a line, and a line is still found."""

import numpy as np
import pytest

from catalogs.flags import FeatureFlag
from catalogs.reference import load_pah_profiles, packaged_reference
from survey.config import FeatureSettings, ReadSettings
from survey.cubes.registry import read_cube
from survey.features.measurements import measure_spectrum
from survey.features.on_band import lines_on_bands
from survey.features.spectrum import observed_spectrum

RARE_IN_A_NEBULA = ("NeVI_7.65", "NaVI_8.61", "MgV_13.52", "CoIII_11.89", "NiII_12.73", "NiII_6.64")


def spectrum_of(wavelength_um, flux, instrument="Spitzer/IRS", error=np.nan):
    reference = packaged_reference()
    return observed_spectrum(
        wavelength_um,
        flux,
        np.full(wavelength_um.shape, error),
        flux_unit="MJy/sr",
        redshift=0.0,
        resolving_power=reference.resolving_power(instrument, wavelength_um),
    )


def measured(spectrum):
    reference = packaged_reference()
    found = measure_spectrum(
        spectrum, reference.lines, reference.bands, reference.slope(), FeatureSettings()
    )
    return {item.name: item for item in found.features}


def bands(wavelength_um):
    """All PAH features of equal height over a flat continuum."""
    total = np.ones(wavelength_um.shape)
    for centre, fwhm in load_pah_profiles():
        detuning = wavelength_um / centre - centre / wavelength_um
        total += (fwhm / centre) ** 2 / (detuning**2 + (fwhm / centre) ** 2)
    return 100 * total


def with_line(wavelength_um, centre_um, fwhm_um, height):
    return height * np.exp(-4 * np.log(2) * ((wavelength_um - centre_um) / fwhm_um) ** 2)


LOW = np.arange(5.3, 14.1, 0.03)


@pytest.mark.parametrize("seed", range(6))
def test_bands_at_low_resolution_are_not_lines(seed):
    noise = np.random.default_rng(seed).normal(0, 0.5, LOW.size)
    found = measured(spectrum_of(LOW, bands(LOW) + noise, error=0.5))
    # Lines farther than a width from any feature may exceed 3 sigma by chance.
    assert [name for name in RARE_IN_A_NEBULA if found[name].detected] == []
    for name in RARE_IN_A_NEBULA:
        assert found[name].quality & FeatureFlag.ON_BAND, name


def test_a_bright_narrow_line_is_told_from_a_band_at_low_resolution():
    flux = bands(LOW) + with_line(LOW, 6.90952, 0.0605, 100)
    noise = np.random.default_rng(0).normal(0, 0.5, LOW.size)
    spectrum = spectrum_of(LOW, flux + noise, error=0.5)
    lines = packaged_reference().lines
    on_band = dict(
        zip(
            [x.name for x in lines],
            lines_on_bands(spectrum, lines, load_pah_profiles()),
            strict=True,
        )
    )
    assert not on_band["H2_S5_6.91"]
    empty = lines_on_bands(spectrum_of(LOW, bands(LOW)), lines, load_pah_profiles())
    assert empty[[x.name for x in lines].index("H2_S5_6.91")], "it is the line that tells"


def test_at_the_resolution_of_the_mrs_no_line_is_on_a_band():
    wavelength = np.arange(5.0, 18.0, 0.0025)
    spectrum = spectrum_of(wavelength, bands(wavelength), instrument="MIRI/MRS")
    assert not lines_on_bands(spectrum, packaged_reference().lines, load_pah_profiles()).any()


def test_a_line_on_a_band_is_a_limit_and_its_flux_is_kept():
    item = measured(spectrum_of(LOW, bands(LOW), error=0.5))["NeVI_7.65"]
    assert not item.detected
    assert item.flux > 0
    assert item.limit > item.flux


@pytest.mark.real_data
def test_the_reflection_nebula_ngc_7023_has_no_high_ionisation_lines(shared_data):
    cube = read_cube(shared_data / "irs" / "NGC7023_IRS_SL.fits", ReadSettings())
    flux = np.where(cube["bad"].values, np.nan, cube["flux"].values)
    wavelength = cube["wavelength"].values
    image = flux.reshape(len(wavelength), -1)
    bright = np.argsort(np.nan_to_num(np.nanmean(image, axis=0)))[::-1]
    spectra = [np.nanmedian(image, axis=1)]
    spectra += [np.nanmedian(image[:, bright[k : k + 20]], axis=1) for k in range(0, 160, 20)]
    for spectrum in spectra:
        found = measured(spectrum_of(wavelength, spectrum))
        detected = [name for name, item in found.items() if item.detected and "PAH" not in name]
        assert not set(RARE_IN_A_NEBULA) & set(detected)
        assert all(not name.startswith(("Ne", "Na", "Mg", "Co", "Ni")) for name in detected)
        assert np.isfinite(found["H2_S3_9.66"].flux), "lines that are not there leave a continuum"
