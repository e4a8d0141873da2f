"""MUSE cubes (ESO pipeline and tools that keep its layout): variances, wavelengths in air."""

from __future__ import annotations

import numpy as np
import xarray as xr

from survey.cubes.dataset import build_cube, sigma_from_variance
from survey.cubes.fits import FitsFile
from survey.cubes.wavelength import wavelength_axis_um


def read_muse(fits_file: FitsFile) -> xr.Dataset:
    """Read a MUSE cube. RA and DEC of its header are the pointing, so its centre is used."""
    science = fits_file.header("DATA")
    return build_cube(
        fits_file.array("DATA", np.float32),
        sigma_from_variance(fits_file.array("STAT", np.float32)),
        fits_file.array("DQ") != 0 if fits_file.has("DQ") else None,
        wavelength_axis_um(fits_file, "DATA"),
        header=science,
        flux_unit=science.get("BUNIT", ""),
        instrument="MUSE",
        band="",
        target=str(fits_file.primary.get("OBJECT", "")),
        file=fits_file.path,
    )
