"""JWST integral-field cubes (s3d files of the pipeline): MIRI/MRS and NIRSpec."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from survey.cubes.axes.layout import cube_layout
from survey.cubes.missing import flag_images
from survey.cubes.read_fits import FitsFile
from survey.cubes.readers.checked_cube import CheckedCube, check_cube
from survey.cubes.readers.error_units import ErrorUnit
from survey.cubes.wavelength import wavelength_axis_um
from survey.cubes.wcs import angle_deg

WAVELENGTH_TABLE = "WCS-TABLE"

_INSTRUMENTS = {"MIRI": "MIRI/MRS", "NIRSPEC": "NIRSpec/IFU"}
_SUB_BANDS = ("short", "medium", "long")


def read_jwst(fits_file: FitsFile) -> CheckedCube:
    """Read an s3d cube: one sub-band, one channel, or several of them."""
    primary, layout = fits_file.primary, cube_layout(fits_file, "SCI")
    science = layout.header
    instrument = str(primary.get("INSTRUME", "")).strip()
    instrument = _INSTRUMENTS.get(instrument, instrument)
    return check_cube(
        layout.image(fits_file, "SCI", np.float32),
        layout.image(fits_file, "ERR", np.float32) if fits_file.has("ERR") else None,
        flag_images(fits_file, "jwst", layout),
        wavelength_axis_um(fits_file, "SCI", instrument=instrument, table=WAVELENGTH_TABLE),
        header=science,
        flux_unit=fits_file.flux_unit(science),
        error_unit=ErrorUnit.of(fits_file, "ERR"),
        instrument=instrument,
        band=_band(primary),
        target=str(primary.get("TARGNAME", "")),
        ra_deg=angle_deg(primary.get("TARG_RA"), is_ra=True),
        dec_deg=angle_deg(primary.get("TARG_DEC"), is_ra=False),
        file=fits_file.path,
    )


def _band(primary: fits.Header) -> str:
    """As "ch4-short", "ch4" for a cube of more than one sub-band, or "g235h-f170lp"."""
    channel = str(primary.get("CHANNEL", "")).strip()
    if channel.isdigit():
        sub_band = str(primary.get("BAND", "")).strip().lower()
        return f"ch{channel}-{sub_band}" if sub_band in _SUB_BANDS else f"ch{channel}"
    grating, filter_ = (str(primary.get(key, "")).strip() for key in ("GRATING", "FILTER"))
    return f"{grating}-{filter_}".strip("-").lower()
