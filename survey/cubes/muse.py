"""MUSE cubes (ESO pipeline and tools that keep its layout): variances, wavelengths in air."""

from __future__ import annotations

import numpy as np
import xarray as xr

from survey.cubes.dataset import build_cube, sigma_from_variance
from survey.cubes.lazy_image import elementwise
from survey.cubes.read_fits import FitsFile
from survey.cubes.wavelength import wavelength_axis_um


def read_muse(fits_file: FitsFile) -> xr.Dataset:
    """Read a MUSE cube. RA and DEC of its header are the pointing, so its centre is used."""
    science = fits_file.header("DATA")
    return build_cube(
        fits_file.image("DATA", np.float32),
        elementwise(sigma_from_variance, fits_file.image("STAT"), dtype=np.float32),
        elementwise(lambda dq: dq != 0, fits_file.image("DQ"), dtype=bool)
        if fits_file.has("DQ")
        else None,
        wavelength_axis_um(fits_file, "DATA"),
        header=science,
        flux_unit=science.get("BUNIT", ""),
        instrument="MUSE",
        band="",
        target=str(fits_file.primary.get("OBJECT", "")),
        file=fits_file.path,
    )
