"""The wavelength axis of a cube: observed frame, vacuum, micron.

Covers the forms of the FITS spectral standard that cubes use (Greisen et al. 2006, A&A 446,
747): linear, logarithmic (-LOG), and tabulated (-TAB), in vacuum (WAVE) or in air (AWAV).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from astropy import units as u
from astropy.io import fits
from numpy.typing import ArrayLike, NDArray

from survey.cubes.read_fits import FitsFile
from survey.cubes.units import parse_unit
from survey.errors import DataError

Medium = Literal["vacuum", "air"]

_MEDIUM_OF_CTYPE: dict[str, Medium] = {"WAVE": "vacuum", "AWAV": "air"}


def wavelength_axis_um(
    fits_file: FitsFile,
    extension: str | int,
    *,
    unit: str | None = None,
    medium: Medium = "vacuum",
) -> NDArray[np.float64]:
    """Vacuum wavelengths in micron of the planes of a cube, from its header.

    Parameters
    ----------
    fits_file : FitsFile
        The open file.
    extension : str or int
        The cube whose third axis it is.
    unit : str, optional
        Stands for CUNIT3, for files that lack it.
    medium : {"vacuum", "air"}
        Where CTYPE3 is neither WAVE nor AWAV.

    Raises
    ------
    DataError
        If the header does not define the axis or its unit is not a length.
    """
    header = fits_file.header(extension)
    kind, _, algorithm = str(header.get("CTYPE3", "")).strip().partition("-")
    wavelength = _axis(fits_file, extension, algorithm.strip("- "))
    wavelength_um = to_micron(
        wavelength, unit or str(header.get("CUNIT3", "")), file=fits_file.path
    )
    if _MEDIUM_OF_CTYPE.get(kind.strip(), medium) == "air":
        return air_to_vacuum_um(wavelength_um)
    return wavelength_um


def to_micron(wavelength: ArrayLike, unit: str, *, file: str | Path) -> NDArray[np.float64]:
    """Wavelengths given in a unit of length, in micron."""
    length = parse_unit(unit, file=file, what="wavelength axis")
    if not length.is_equivalent(u.um):
        raise DataError(
            "the third axis has a wrong unit", file=file, expected="a length", found=repr(unit)
        )
    return np.asarray(wavelength, dtype=np.float64) * length.to(u.um)


def air_to_vacuum_um(air_um: ArrayLike) -> NDArray[np.float64]:
    """Vacuum wavelength of a wavelength in standard air, above 0.2 micron.

    The refractive index is that of Birch & Downs (1994) as adopted by Morton (2000, ApJS 130,
    403, equation 8). It is a function of the vacuum wavelength, hence the iteration.
    """
    air_um = np.asarray(air_um, dtype=np.float64)
    vacuum_um = air_um
    for _ in range(3):
        s2 = vacuum_um**-2.0
        index = 1 + 8.34254e-5 + 2.406147e-2 / (130 - s2) + 1.5998e-4 / (38.9 - s2)
        vacuum_um = air_um * index
    return vacuum_um


def _axis(fits_file: FitsFile, extension: str | int, algorithm: str) -> NDArray[np.float64]:
    """The coordinate of the third axis in the unit of the header."""
    header = fits_file.header(extension)
    if "CD3_3" in header:
        step = fits_file.number(extension, "CD3_3")
    else:
        # A tabulated axis counts rows, and its header may leave the increment of one row out.
        increment = fits_file.number(extension, "CDELT3", 1.0 if algorithm == "TAB" else None)
        step = increment * fits_file.number(extension, "PC3_3", 1.0)
    start = fits_file.number(extension, "CRVAL3")
    pixel = np.arange(1, header["NAXIS3"] + 1)
    offset = step * (pixel - fits_file.number(extension, "CRPIX3"))
    if algorithm == "":
        return start + offset
    if algorithm == "LOG":
        return start * np.exp(offset / start)
    if algorithm == "TAB":
        return _tabulated(fits_file, header, start + offset)
    raise DataError(
        "unknown kind of wavelength axis",
        file=fits_file.path,
        expected="a linear, -LOG or -TAB axis",
        found=f"CTYPE3 = {header['CTYPE3']}",
    )


def _tabulated(
    fits_file: FitsFile, header: fits.Header, row: NDArray[np.float64]
) -> NDArray[np.float64]:
    table = fits_file.column(header.get("PS3_0", ""), header.get("PS3_1", ""))
    if row[0] < 1 or row[-1] > table.size:
        raise DataError(
            "the wavelength table is too short",
            file=fits_file.path,
            expected=f"rows {row[0]:g} to {row[-1]:g}",
            found=f"{table.size} rows",
        )
    return np.interp(row, np.arange(1, table.size + 1), table)
