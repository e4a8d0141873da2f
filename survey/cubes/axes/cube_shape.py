"""How large a cube is, from its headers alone: a driver asks thousands of files."""

from __future__ import annotations

from pathlib import Path

from survey.cubes.axes.layout import shape_of
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.files.headers import image_header

Shape = tuple[int, int, int]


def cube_shape(path: str | Path | CubeFile) -> Shape | None:
    """Wavelengths, y and x of the first three-dimensional image of a FITS file.

    Headers alone are read, thousands of files in seconds. None if there is no such image, or
    anything is wrong with the file: the reader that will read it says what.
    """
    try:
        header = image_header(path)
        if header is None:
            return None
        wavelength, y, x = shape_of(header)
        return wavelength, y, x
    except Exception:  # of many kinds: ours, astropy's, the file system's
        return None
