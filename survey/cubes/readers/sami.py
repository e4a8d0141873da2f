"""SAMI cubes: flux in the primary, variances, wavelengths in air."""

from __future__ import annotations

import numpy as np

from survey.cubes.axes.layout import cube_layout
from survey.cubes.lazy_image import elementwise
from survey.cubes.missing import flag_images
from survey.cubes.read_fits import FitsFile
from survey.cubes.readers.checked_cube import CheckedCube, check_cube, sigma_from_variance
from survey.cubes.readers.error_units import ErrorUnit
from survey.cubes.wavelength import wavelength_axis_um
from survey.cubes.wcs import angle_deg

_ARMS = {"BL": "blue", "RD": "red"}


def read_sami(fits_file: FitsFile) -> CheckedCube:
    """Read one arm of a SAMI cube, with position and redshift of the input catalogue."""
    header = fits_file.primary
    return check_cube(
        fits_file.image("PRIMARY", np.float32),
        elementwise(sigma_from_variance, fits_file.image("VARIANCE"), dtype=np.float32)
        if fits_file.has("VARIANCE")
        else None,
        flag_images(fits_file, "sami", cube_layout(fits_file, "PRIMARY")),
        wavelength_axis_um(fits_file, "PRIMARY", instrument="SAMI"),
        header=header,
        flux_unit=header.get("BUNIT", ""),
        error_unit=ErrorUnit.of(fits_file, "VARIANCE", "variance"),
        instrument="SAMI",
        band=_ARMS.get(str(header.get("SPECTID", "")).strip(), ""),
        target=str(header.get("NAME", "")),
        redshift=fits_file.number("PRIMARY", "Z_SPEC", np.nan),
        ra_deg=angle_deg(header.get("CATARA"), is_ra=True),
        dec_deg=angle_deg(header.get("CATADEC"), is_ra=False),
        file=fits_file.path,
    )
