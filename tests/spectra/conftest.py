"""Observed spectra, read straight from FITS so that these tests need no reader."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from astropy.io import fits


class ObservedSpectra(NamedTuple):
    flux: np.ndarray
    error: np.ndarray
    bad: np.ndarray
    wavelength_um: np.ndarray


@pytest.fixture(scope="session")
def mrs_spectra(shared_data: Path) -> Callable[[str], ObservedSpectra]:
    """Reads a MIRI/MRS cube of the shared data as spaxels by planes."""

    def read(name: str) -> ObservedSpectra:
        with fits.open(shared_data / "mrs" / f"{name}_s3d.fits.gz") as file:
            header = file["SCI"].header
            planes = header["NAXIS3"]
            flux, error, quality = (
                file[key].data.reshape(planes, -1).T.copy() for key in ("SCI", "ERR", "DQ")
            )
        bad = ~np.isfinite(flux) | (quality & 1 > 0)
        wavelength_um = header["CRVAL3"] + header["CDELT3"] * np.arange(planes)
        return ObservedSpectra(
            flux.astype(np.float32), error.astype(np.float32), bad, wavelength_um
        )

    return read
