"""MaNGA cubes (LOGCUBE files of the SDSS reduction): inverse variances, vacuum, log grid.

Layout: Law et al. (2016, AJ 152, 83), table "MaNGA DRP 3d output".
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from survey.cubes.dataset import build_cube, sigma_from_inverse_variance
from survey.cubes.lazy_image import elementwise
from survey.cubes.read_fits import FitsFile
from survey.cubes.wavelength import to_micron

DONOTUSE = 1024


def read_manga(fits_file: FitsFile) -> xr.Dataset:
    """Read a LOGCUBE; spaxels outside the hexagon of fibres have no weight and are bad."""
    primary, science = fits_file.primary, fits_file.header("FLUX")
    weight = fits_file.image("IVAR", np.float32)
    return build_cube(
        fits_file.image("FLUX", np.float32),
        elementwise(sigma_from_inverse_variance, weight, dtype=np.float32),
        elementwise(_unusable, fits_file.image("MASK"), weight, dtype=bool),
        to_micron(fits_file.array("WAVE", ndim=(1,)), "Angstrom", file=fits_file.path),
        header=science,
        flux_unit=science.get("BUNIT", ""),
        instrument="MaNGA",
        band="",
        target=str(primary["PLATEIFU"]),
        ra_deg=fits_file.number("PRIMARY", "OBJRA", np.nan),
        dec_deg=fits_file.number("PRIMARY", "OBJDEC", np.nan),
        file=fits_file.path,
    )


def _unusable(mask: NDArray[np.integer], weight: NDArray[np.floating]) -> NDArray[np.bool_]:
    return ((mask & DONOTUSE) != 0) | ~(weight > 0)
