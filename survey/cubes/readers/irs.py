"""Spitzer/IRS cubes assembled by CUBISM: tabulated wavelengths, errors in another file."""

from __future__ import annotations

import numpy as np

from survey.cubes.axes.layout import cube_layout
from survey.cubes.missing import flag_images
from survey.cubes.read_fits import FitsFile
from survey.cubes.readers.checked_cube import CheckedCube, check_cube
from survey.cubes.wavelength import wavelength_axis_um


def read_irs(fits_file: FitsFile) -> CheckedCube:
    """Read a CUBISM cube; its errors are unknown (NaN)."""
    header = fits_file.primary
    return check_cube(
        fits_file.image("PRIMARY", np.float32),
        None,
        flag_images(fits_file, "irs", cube_layout(fits_file, "PRIMARY")),
        wavelength_axis_um(fits_file, "PRIMARY", instrument="Spitzer/IRS"),
        header=header,
        flux_unit=header.get("BUNIT", ""),
        instrument="Spitzer/IRS",
        band=str(header.get("APERNAME", "")).strip().lower(),
        target=str(header.get("OBJECT", "")),
        file=fits_file.path,
    )
