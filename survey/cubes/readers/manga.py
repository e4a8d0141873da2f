"""MaNGA cubes: LOGCUBE files of the SDSS reduction (DRP) and of its analysis (DAP).

Inverse variances, vacuum, logarithmic grid. Layout: Law et al. (2016, AJ 152, 83), table "MaNGA
DRP 3d output", and Westfall et al. (2019, AJ 158, 231).
"""

from __future__ import annotations

import numpy as np

from survey.cubes.axes.layout import cube_layout
from survey.cubes.lazy_image import elementwise
from survey.cubes.missing import flag_images
from survey.cubes.read_fits import FitsFile
from survey.cubes.readers.checked_cube import CheckedCube, check_cube, sigma_from_inverse_variance
from survey.cubes.readers.error_units import ErrorUnit
from survey.cubes.wavelength import (
    check_same_planes,
    wavelength_axis_um,
    wavelength_extension_um,
)
from survey.cubes.wcs import angle_deg


def read_manga(fits_file: FitsFile) -> CheckedCube:
    """Read a LOGCUBE; spaxels outside the hexagon of fibres have no weight and are bad."""
    primary, layout = fits_file.primary, cube_layout(fits_file, "FLUX")
    flux = layout.image(fits_file, "FLUX", np.float32)
    weight = layout.image(fits_file, "IVAR", np.float32) if fits_file.has("IVAR") else None
    if fits_file.has("WAVE"):
        wavelength_um = wavelength_extension_um(
            fits_file, "WAVE", unit="Angstrom", instrument="MaNGA"
        )
        check_same_planes(fits_file, "FLUX", wavelength_um, "WAVE")
    else:
        wavelength_um = wavelength_axis_um(fits_file, "FLUX", instrument="MaNGA")
    return check_cube(
        flux,
        None
        if weight is None
        else elementwise(sigma_from_inverse_variance, weight, dtype=np.float32),
        flag_images(fits_file, "manga-dap" if "DAPFRMT" in primary else "manga", layout),
        wavelength_um,
        header=layout.header,
        flux_unit=fits_file.flux_unit(layout.header),
        error_unit=ErrorUnit.of(fits_file, "IVAR", "inverse-variance"),
        instrument="MaNGA",
        band="",
        target=str(primary["PLATEIFU"]),
        ra_deg=angle_deg(primary.get("OBJRA"), is_ra=True),
        dec_deg=angle_deg(primary.get("OBJDEC"), is_ra=False),
        file=fits_file.path,
    )
