"""MaNGA cubes (LOGCUBE files of the SDSS reduction): inverse variances, vacuum, log grid.

Layout: Law et al. (2016, AJ 152, 83), table "MaNGA DRP 3d output".
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from survey.cubes.dataset import as_bits, build_cube, sigma_from_inverse_variance
from survey.cubes.lazy_image import Image, elementwise
from survey.cubes.read_fits import FitsFile
from survey.cubes.wavelength import wavelength_extension_um
from survey.cubes.wcs import angle_deg

DONOTUSE = 1024


def read_manga(fits_file: FitsFile) -> xr.Dataset:
    """Read a LOGCUBE; spaxels outside the hexagon of fibres have no weight and are bad."""
    primary, science = fits_file.primary, fits_file.header("FLUX")
    weight = fits_file.image("IVAR", np.float32) if fits_file.has("IVAR") else None
    return build_cube(
        fits_file.image("FLUX", np.float32),
        None
        if weight is None
        else elementwise(sigma_from_inverse_variance, weight, dtype=np.float32),
        _bad(fits_file, weight),
        wavelength_extension_um(fits_file, "WAVE", unit="Angstrom", instrument="MaNGA"),
        header=science,
        flux_unit=science.get("BUNIT", ""),
        instrument="MaNGA",
        band="",
        target=str(primary["PLATEIFU"]),
        ra_deg=angle_deg(primary.get("OBJRA"), is_ra=True),
        dec_deg=angle_deg(primary.get("OBJDEC"), is_ra=False),
        file=fits_file.path,
    )


def _bad(fits_file: FitsFile, weight: Image | None) -> Image | None:
    """What the mask refuses or no fibre saw; None without mask and weights."""
    masks = [fits_file.image("MASK")] if fits_file.has("MASK") else []
    bad = [elementwise(_unusable, mask, dtype=bool) for mask in masks]
    if weight is not None:
        bad.append(elementwise(lambda weight: ~(weight > 0), weight, dtype=bool))
    if len(bad) == 2:
        return elementwise(np.logical_or, *bad, dtype=bool)
    return bad[0] if bad else None


def _unusable(mask: NDArray[np.generic]) -> NDArray[np.bool_]:
    return (as_bits(mask, DONOTUSE) & DONOTUSE) != 0
