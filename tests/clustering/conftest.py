"""Spectra shared by the tests of this package."""

import numpy as np
import pytest
from astropy.io import fits


@pytest.fixture(scope="session")
def ngc7469_spectra(shared_data):
    """Spectra of NGC 7469 (MRS channel 4 short) over their mean: (560, 542), complete ones only."""
    path = shared_data / "mrs" / "NGC7469_Level3_ch4-short_s3d.fits.gz"
    cube = fits.getdata(path, "SCI").astype(np.float64)
    spectra = cube.reshape(len(cube), -1).T
    spectra = spectra[np.isfinite(spectra).all(axis=1)]
    return spectra / spectra.mean(axis=1, keepdims=True)
