"""A star, which has no lines: what is found in it is false."""

import numpy as np
import pytest
from astropy.io import fits

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features.measurements import measure_spectrum
from survey.features.spectrum import observed_spectrum
from survey.features.width import USUAL_WIDTH

pytestmark = pytest.mark.real_data

SPECTRA = 110
"""At most, of each kind and band; the errors of all 1,317 spaxels were looked at as well."""


@pytest.fixture(scope="module", params=["short", "medium"])
def star(request, shared_data):
    """Wavelengths, spectra and errors of the spaxels of 16 Cyg B, brightest first."""
    path = shared_data / "mrs" / f"16CygB_Level3_ch4-{request.param}_s3d.fits.gz"
    with fits.open(path) as hdus:
        flux, error = hdus["SCI"].data.astype(float), hdus["ERR"].data.astype(float)
        header = hdus["SCI"].header
    plane = np.arange(flux.shape[0]) + 1 - header["CRPIX3"]
    good = np.isfinite(flux).mean(axis=0) > 0.9
    flux, error = flux[:, good].T, error[:, good].T
    order = np.argsort(-np.nansum(flux, axis=1))
    return header["CRVAL3"] + plane * header["CDELT3"], flux[order], error[order]


def _groups(flux, error, size):
    """Medians of so many spaxels of similar brightness, and their errors."""
    if size == 1:
        return list(zip(flux, error, strict=True))
    members = np.array_split(np.arange(len(flux)), len(flux) // size)
    return [
        (
            np.nanmedian(flux[spaxels], axis=0),
            np.nanmedian(error[spaxels], axis=0) / np.sqrt(size),
        )
        for spaxels in members
    ]


@pytest.mark.parametrize("size", [1, 10, 40], ids=["spaxels", "groups of 10", "groups of 40"])
def test_a_star_has_no_emission_lines_and_no_velocity(star, size):
    wavelength, flux, error = star
    spectra = _groups(flux, error, size)
    spectra = spectra[:: -(-len(spectra) // SPECTRA)]
    lines, power = (
        packaged_reference().lines_of("mir"),
        packaged_reference().resolving_power("MIRI/MRS", wavelength),
    )
    detected, found, displaced = [], [], []
    for spectrum in spectra:
        observed = observed_spectrum(
            wavelength, *spectrum, flux_unit="MJy/sr", redshift=0.0, resolving_power=power
        )
        measured = measure_spectrum(
            observed, lines, packaged_reference().bands, (), FeatureSettings()
        )
        found.append(measured.velocity.found)
        assert measured.width == USUAL_WIDTH
        for item in measured.features:
            displaced.append(item.displaced)
            if np.isfinite(item.flux):
                detected.append(item.detected)
    assert len(detected) >= 5 * len(spectra)
    assert np.mean(detected) < 0.02
    assert np.sum(found) <= 1
    assert np.sum(displaced) <= 1
