"""MUSE cubes (ESO pipeline and tools that keep its layout): variances, wavelengths in air."""

from __future__ import annotations

import numpy as np

from survey.cubes.axes.layout import cube_layout
from survey.cubes.lazy_image import elementwise
from survey.cubes.missing import flag_images
from survey.cubes.read_fits import FitsFile
from survey.cubes.readers.checked_cube import CheckedCube, check_cube, sigma_from_variance
from survey.cubes.readers.error_units import ErrorUnit
from survey.cubes.wavelength import wavelength_axis_um


def read_muse(fits_file: FitsFile) -> CheckedCube:
    """Read a MUSE cube. RA and DEC of its header are the pointing, so its centre is used.

    Wavelengths are in air (instruments.toml) unless CTYPE3 of the extension says WAVE: tools that
    write cubes anew leave CTYPE3 out.
    """
    layout = cube_layout(fits_file, "DATA")
    science = layout.header
    return check_cube(
        layout.image(fits_file, "DATA", np.float32),
        elementwise(sigma_from_variance, layout.image(fits_file, "STAT"), dtype=np.float32)
        if fits_file.has("STAT")
        else None,
        flag_images(fits_file, "muse", layout),
        wavelength_axis_um(fits_file, "DATA", instrument="MUSE"),
        header=science,
        flux_unit=fits_file.flux_unit(science),
        error_unit=ErrorUnit.of(fits_file, "STAT", "variance"),
        instrument="MUSE",
        band="",
        target=str(fits_file.primary.get("OBJECT", "")),
        file=fits_file.path,
    )
