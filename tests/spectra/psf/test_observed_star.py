"""The star 16 Cyg B in MIRI/MRS channel 4: its width is the law's, its shape its own."""

import numpy as np
import pytest

from survey.config import ReadSettings
from survey.cubes.registry import read_cube
from survey.spectra.psf.point_source import point_source_over_level
from survey.spectra.psf.profiles import RoundProfile
from survey.spectra.psf.star import ObservedStar

pytestmark = pytest.mark.real_data
SPAXEL_ARCSEC = 0.35


@pytest.fixture(scope="module")
def bands(shared_data):
    cubes = [
        read_cube(shared_data / f"mrs/16CygB_Level3_ch4-{band}_s3d.fits.gz", ReadSettings())
        for band in ("short", "medium")
    ]
    return [
        (one["flux"].values, one["bad"].values, one["wavelength"].values.astype(float))
        for one in cubes
    ]


def test_the_width_of_the_star_is_that_of_the_law(bands):
    star = ObservedStar.joined([ObservedStar.of_cube(*band, SPAXEL_ARCSEC) for band in bands])
    ratio = star.fwhm_arcsec / (0.106 + 0.033 * star.wavelength_um)
    assert len(ratio) > 10
    assert (ratio > 0.88).all()
    assert (ratio < 1.05).all()
    assert (star.light < 0.96).all(), "a Moffat profile has not all of the light"


def test_the_star_in_one_half_of_a_band_is_nearer_to_the_other_than_a_round_profile(bands):
    flux, bad, wavelength_um = bands[0]
    near = (wavelength_um > 18.4) & (wavelength_um < 19.4)
    image = np.where(bad[near], np.nan, flux[near]).mean(axis=0)
    star = ObservedStar.of_cube(flux[~near], bad[~near], wavelength_um[~near], SPAXEL_ARCSEC)
    at = np.array([wavelength_um[near].mean()])
    fwhm = (0.106 + 0.033 * at) / SPAXEL_ARCSEC
    y, x = np.nonzero(np.isfinite(image))
    middle = np.unravel_index(np.nanargmax(image), image.shape)
    around = np.hypot(y - middle[0], x - middle[1]) < 3 * fwhm
    y, x = y[around], x[around]

    def misfit(psf):
        """Least scatter about the image, over places of the star, in units of its peak."""
        found = []
        for down in np.arange(-0.6, 0.61, 0.1):
            for right in np.arange(-0.6, 0.61, 0.1):
                share = psf.share(y - middle[0] - down, x - middle[1] - right)
                source = point_source_over_level(image[y, x][:, None], share)
                found.append((image[y, x][:, None] - source.flux).std())
        return min(found) / np.nanmax(image)

    own, round_one = misfit(star.at(at, SPAXEL_ARCSEC)), misfit(RoundProfile(fwhm))
    assert own < 0.01 < round_one
    assert own < 0.6 * round_one
