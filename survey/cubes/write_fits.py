"""Writes cubes as FITS, for the usual viewers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from survey.cubes.wcs import read_header

WAVELENGTH_TABLE = "WCS-TABLE"


def write_cube(
    path: Path,
    cubes: Mapping[str, Iterable[NDArray[np.float32]]],
    *,
    shape: tuple[int, int, int],
    wavelength_um: NDArray[np.float64],
    celestial_header: str,
    flux_unit: str,
) -> None:
    """Write cubes of one shape (wavelength, y, x), each as an extension of its name.

    A cube is given as consecutive blocks of its planes, which are written as they come. The
    wavelengths may have gaps. As in JWST cubes they are in a table extension, to which the
    third axis refers (FITS paper III).
    """
    celestial = read_header(celestial_header) if celestial_header else fits.Header()
    fits.HDUList([fits.PrimaryHDU()]).writeto(path, overwrite=True)
    for name, blocks in cubes.items():
        header = fits.Header({"XTENSION": "IMAGE", "BITPIX": -32, "NAXIS": 3})
        header.update({f"NAXIS{axis}": size for axis, size in enumerate(reversed(shape), 1)})
        header.update({"PCOUNT": 0, "GCOUNT": 1, "EXTNAME": name})
        header.update(celestial)
        header["WCSAXES"] = 3
        header["CTYPE3"], header["CUNIT3"] = "WAVE-TAB", "um"
        header["CRPIX3"], header["CRVAL3"], header["CDELT3"] = 1.0, 1.0, 1.0
        header["PS3_0"], header["PS3_1"] = WAVELENGTH_TABLE, "wavelength"
        header["BUNIT"] = flux_unit
        with fits.StreamingHDU(str(path), header) as hdu:
            for block in blocks:
                hdu.write(block)
    column = fits.Column(
        name="wavelength",
        format=f"{wavelength_um.size}D",
        dim=f"(1,{wavelength_um.size})",
        unit="um",
        array=wavelength_um.reshape(1, -1, 1),
    )
    table = fits.BinTableHDU.from_columns([column], name=WAVELENGTH_TABLE)
    with fits.open(path, mode="append") as hdus:
        hdus.append(table)
