"""Cubes written as FITS, for people who look at them with the tools of the trade."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from survey.cubes.wcs import read_header

WAVELENGTH_TABLE = "WCS-TABLE"


def write_cube(
    path: Path,
    cubes: Mapping[str, NDArray[np.float32]],
    *,
    wavelength_um: NDArray[np.float64],
    celestial_header: str,
    flux_unit: str,
) -> None:
    """Write cubes of one shape (wavelength, y, x), each as an extension of its name.

    The wavelengths, which may have gaps, are given as JWST cubes give theirs: tabulated in
    an extension (FITS paper III), which the third axis refers to.
    """
    celestial = read_header(celestial_header) if celestial_header else fits.Header()
    hdus: list[fits.hdu.base.ExtensionHDU] = [fits.PrimaryHDU()]
    for name, cube in cubes.items():
        header = celestial.copy()
        header["WCSAXES"] = 3
        header["CTYPE3"], header["CUNIT3"] = "WAVE-TAB", "um"
        header["CRPIX3"], header["CRVAL3"], header["CDELT3"] = 1.0, 1.0, 1.0
        header["PS3_0"], header["PS3_1"] = WAVELENGTH_TABLE, "wavelength"
        header["BUNIT"] = flux_unit
        hdus.append(fits.ImageHDU(cube, header=header, name=name))
    column = fits.Column(
        name="wavelength",
        format=f"{wavelength_um.size}D",
        dim=f"(1,{wavelength_um.size})",
        unit="um",
        array=wavelength_um.reshape(1, -1, 1),
    )
    hdus.append(fits.BinTableHDU.from_columns([column], name=WAVELENGTH_TABLE))
    fits.HDUList(hdus).writeto(path, overwrite=True)
