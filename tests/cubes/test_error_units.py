"""Errors whose header has another unit than the flux are those of the flux once read."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty

from survey.config import GenericReaderSettings, ReadSettings
from survey.cubes.readers.error_units import ErrorUnit
from survey.cubes.registry import guess_generic, read_cube
from survey.errors import SurveyWarning

FLUX_UNIT = "1e-17 erg / (s cm2 Angstrom)"
SIGMA = 0.2
SHAPE = (12, 6, 5)


@pytest.fixture
def flux_header(sky_header):
    header = sky_header()
    header.update(CTYPE3="WAVE", CUNIT3="um", CRPIX3=1.0, CRVAL3=2.0, CDELT3=0.001)
    header["BUNIT"] = FLUX_UNIT
    return header


@pytest.fixture
def errors_as_read(flux_header, write):
    def read(value, unit, kind="sigma"):
        header = fits.Header({"BUNIT": unit})
        hdus = [
            fits.PrimaryHDU(np.full(SHAPE, 10.0, np.float32), flux_header),
            fits.ImageHDU(np.full(SHAPE, value), header, name="ERR"),
        ]
        generic = GenericReaderSettings(flux=0, error="ERR", error_is=kind)
        path = write(fits.HDUList(hdus))
        return read_cube(path, ReadSettings(reader="generic", generic=generic))["error"].values

    return read


@pytest.mark.parametrize(
    ("value", "unit", "kind"),
    [
        (SIGMA, FLUX_UNIT, "sigma"),
        (SIGMA, "", "sigma"),
        (SIGMA, "no unit", "sigma"),
        (SIGMA * 1e3, "1e-20 erg / (s cm2 Angstrom)", "sigma"),
        (SIGMA * 1e-17, "erg/s/cm2/A", "sigma"),
        (SIGMA * 1e-16, "W/m2/um", "sigma"),
        (SIGMA**2, "(1e-17 erg/s/cm2/A)**2", "variance"),
        (SIGMA**2 * 1e6, "(10**(-20)*erg/s/cm**2/Angstrom)**2", "variance"),
        (SIGMA**2, FLUX_UNIT, "variance"),  # the header of the flux, copied
        (SIGMA**-2, "1e34 s2 cm4 Angstrom2 / erg2", "inverse-variance"),
        (SIGMA**-2 * 1e-6, "(1e-20 erg/s/cm2/A)**-2", "inverse-variance"),
    ],
)
def test_errors_have_the_unit_of_the_flux(errors_as_read, value, unit, kind):
    np.testing.assert_allclose(errors_as_read(value, unit, kind), SIGMA, rtol=1e-5)


def test_errors_of_a_cube_that_is_read_in_parts(errors_as_read, monkeypatch):
    monkeypatch.setattr("survey.cubes.missing.SLAB_VOXELS", 40)
    monkeypatch.setattr("survey.cubes.missing.BLOCK_VOXELS", 20)
    found = errors_as_read(SIGMA**2 * 1e6, "1e-40 erg2 / (s2 cm4 Angstrom2)", "variance")
    np.testing.assert_allclose(found, SIGMA, rtol=1e-5)


def test_a_factor_that_only_one_header_lacks_is_left_out_with_a_warning(errors_as_read):
    with pytest.warns(SurveyWarning, match="does not fit their size"):
        found = errors_as_read(SIGMA, "erg/s/cm2/A")
    np.testing.assert_allclose(found, SIGMA, rtol=1e-5)


def test_muse_variances_in_another_power_of_ten(flux_header, write):
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"] = "MUSE"
    flux_header.update(CTYPE3="AWAV", CRVAL3=0.5, CDELT3=1.25e-4)
    stat = fits.Header({"BUNIT": "(10**(-20)*erg/s/cm**2/Angstrom)**2"})
    hdus = [
        primary,
        fits.ImageHDU(np.full(SHAPE, 10.0, np.float32), flux_header, name="DATA"),
        fits.ImageHDU(np.full(SHAPE, SIGMA**2 * 1e6), stat, name="STAT"),
    ]
    found = read_cube(write(fits.HDUList(hdus)), ReadSettings())["error"]
    np.testing.assert_allclose(found, SIGMA, rtol=1e-5)


def test_per_pixel_in_one_header_alone_means_nothing():
    unit = ErrorUnit("1e-16 erg/s/cm2/A/pixel")
    assert unit.factor("1e-16 erg/s/cm2/A") == 1.0


@pytest.mark.parametrize(
    ("uncertainty", "value", "kind"),
    [
        (StdDevUncertainty, SIGMA, "sigma"),
        (VarianceUncertainty, SIGMA**2, "variance"),
        (InverseVariance, SIGMA**-2, "inverse-variance"),
    ],
)
def test_what_astropy_wrote_says_what_its_errors_are(
    flux_header, tmp_path, uncertainty, value, kind
):
    data = CCDData(
        np.full(SHAPE, 10.0),
        unit=FLUX_UNIT,
        uncertainty=uncertainty(np.full(SHAPE, value)),
        meta=dict(flux_header),
    )
    path = tmp_path / "ccd.fits"
    data.write(path)
    guess = guess_generic(path, ReadSettings())
    assert guess.values["error_is"] == kind
    settings = ReadSettings(reader="generic", generic=guess.settings)
    np.testing.assert_allclose(read_cube(path, settings)["error"], SIGMA, rtol=1e-5)
