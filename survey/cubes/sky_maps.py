"""Maps of other instruments, with coordinates of their own, on the spaxels of a cube."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import prod

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from survey.cubes.files.cube_file import CubeFile
from survey.cubes.read_fits import FitsFile, open_fits
from survey.cubes.resample import is_larger, nearest, weighted_mean
from survey.cubes.wcs import (
    celestial_header,
    celestial_wcs,
    header_text,
    read_header,
    sky_position,
    spaxel_area_arcsec2,
)
from survey.errors import DataError

NEAREST, INTERPOLATE, FLUX_CONSERVING = "nearest", "interpolate", "flux-conserving"

MARGIN = 4
"""Pixels around the cube that are read of a map, and at least one of its spaxels."""


@dataclass(frozen=True)
class SkyMap:
    """A map, or the part of it that was read.

    Attributes
    ----------
    values : (ny, nx) array
        NaN where there is none.
    celestial : str
        Text of its celestial header.
    file : str
        Where it is from, for messages.
    """

    values: NDArray[np.float64]
    celestial: str
    file: str

    def on_grid(self, celestial: str, shape: tuple[int, int], how: str) -> NDArray[np.float64]:
        """The map on the spaxels of a cube.

        Parameters
        ----------
        celestial : str
            Text of the celestial header of the cube.
        shape : (ny, nx)
            Of its grid.
        how : str
            `NEAREST`: the pixel at the centre of every spaxel, for classes. `INTERPOLATE`:
            bilinearly, for surface brightnesses and velocities; larger spaxels average what they
            cover. `FLUX_CONSERVING`: for fluxes per pixel, as counts; the sum over the sky is kept.

        Raises
        ------
        DataError
            If nothing of it is on the cube.
        """
        if how == NEAREST:
            found = nearest(self.values, self.celestial, celestial, shape)
        elif how == INTERPOLATE:
            exact = is_larger(celestial, self.celestial)
            found = weighted_mean(self.values, self.celestial, celestial, shape, exact=exact)
        else:
            area = spaxel_area_arcsec2(celestial) / spaxel_area_arcsec2(self.celestial)
            found = area * weighted_mean(self.values, self.celestial, celestial, shape, exact=True)
        if not np.isfinite(found).any():
            raise _no_overlap(self, celestial, shape)
        return found


def read_sky_map(
    file: CubeFile,
    celestial: str,
    shape: tuple[int, int],
    *,
    extension: str | int | None = None,
    plane: int | None = None,
) -> SkyMap:
    """The part of a FITS image around a cube.

    Parameters
    ----------
    file : CubeFile
    celestial : str
        Text of the celestial header of the cube.
    shape : (ny, nx)
        Of its grid.
    extension : str or int, optional
        Name or number of the image; the first one if not given.
    plane : int, optional
        Of an image of several planes, from 0.

    Raises
    ------
    DataError
        If it cannot be read, has no such image, no celestial coordinates, or none near the cube.
    """
    with open_fits(file) as fits_file:
        number = _first_image(fits_file) if extension is None else extension
        image = fits_file.image(number, ndim=(2, 3, 4))
        lead = _plane(image.shape, plane, fits_file, number)
        text = _celestial(fits_file, number, image.shape)
        size = (int(image.shape[-2]), int(image.shape[-1]))
        box = _box_around(text, size, celestial, shape)
        if box is None:
            whole = SkyMap(np.full(size, np.nan), text, file.address)
            raise _no_overlap(whole, celestial, shape)
        rows, columns = box
        read = image[(*(slice(i, i + 1) for i in lead), rows, columns)]
    values = np.asarray(read, np.float64).reshape(read.shape[-2:])
    values[~np.isfinite(values)] = np.nan
    return SkyMap(values, _cut(text, rows.start, columns.start), file.address)


def _first_image(file: FitsFile) -> int:
    """Number of the first extension with an image."""
    for number, header in enumerate(file.headers()):
        n_axis = header.get("ZNAXIS", header.get("NAXIS", 0))
        if not isinstance(n_axis, int) or n_axis < 2:
            continue
        if header.get("XTENSION", "IMAGE").strip() == "IMAGE" or "ZNAXIS" in header:
            return number
    raise DataError("no image in the file", file=file.path, expected="a map as a FITS image")


def _plane(
    shape: tuple[int, ...], plane: int | None, file: FitsFile, extension: str | int
) -> tuple[int, ...]:
    """Indices of the wanted plane on the axes before the last two."""
    lead = shape[:-2]
    n_plane = prod(lead)
    if plane is None and n_plane > 1:
        raise DataError(
            f"the image of extension {extension} has {n_plane} planes",
            file=file.path,
            expected="one map",
            found=f"shape {shape}",
            advice=f"Say which: plane = 0 to {n_plane - 1}.",
        )
    if not 0 <= (plane or 0) < n_plane:
        raise DataError(
            f"the image of extension {extension} has no plane {plane}",
            file=file.path,
            expected=f"0 to {n_plane - 1}",
            found=str(plane),
        )
    return tuple(int(i) for i in np.unravel_index(plane or 0, lead)) if lead else ()


def _celestial(file: FitsFile, extension: str | int, shape: tuple[int, ...]) -> str:
    """The coordinates of an image; those of the primary header if it has none of its own."""
    text = celestial_header(file.header(extension), file=file.path)
    primary = file.primary
    same = primary.get("NAXIS", 0) < 2 or (primary.get("NAXIS2"), primary.get("NAXIS1")) == (
        shape[-2], shape[-1],
    )  # fmt: skip
    if not text and same:
        text = celestial_header(primary, file=file.path)
    if not text:
        raise DataError(
            f"the image of extension {extension} has no celestial coordinates",
            file=file.path,
            expected="a WCS with right ascension and declination (CTYPE, CRVAL, CRPIX, CDELT)",
            found="none",
        )
    return text


def _box_around(
    text: str, size: tuple[int, int], celestial: str, shape: tuple[int, int]
) -> tuple[slice, slice] | None:
    """Rows and columns of a map around a cube; None if it is elsewhere."""
    n_y, n_x = shape
    y, x = np.mgrid[0:n_y, 0:n_x]
    edge = (y == 0) | (y == n_y - 1) | (x == 0) | (x == n_x - 1)
    ra, dec = sky_position(celestial, x[edge], y[edge])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        map_x, map_y = celestial_wcs(text).world_to_pixel(SkyCoord(ra, dec, unit="deg"))
    if not (np.isfinite(map_x).all() and np.isfinite(map_y).all()):
        return None
    ratio = np.sqrt(spaxel_area_arcsec2(celestial) / spaxel_area_arcsec2(text))
    margin = MARGIN + int(np.ceil(ratio))
    box = []
    for found, length in ((map_y, size[0]), (map_x, size[1])):
        low = max(0, int(np.floor(found.min())) - margin)
        high = min(length, int(np.ceil(found.max())) + margin + 1)
        if low >= high:
            return None
        box.append(slice(low, high))
    # Some projections show the far side of the sky on the same plane.
    middle_ra, middle_dec = sky_position(text, map_x.mean(), map_y.mean())
    apart = SkyCoord(middle_ra, middle_dec, unit="deg").separation(
        SkyCoord(ra[0], dec[0], unit="deg")
    )
    return (box[0], box[1]) if apart.deg < 90 else None


def _cut(text: str, first_row: int, first_column: int) -> str:
    header = read_header(text)
    header["CRPIX1"] = header.get("CRPIX1", 0.0) - first_column
    header["CRPIX2"] = header.get("CRPIX2", 0.0) - first_row
    return header_text(header)


def _no_overlap(found: SkyMap, celestial: str, shape: tuple[int, int]) -> DataError:
    return DataError(
        "the map does not overlap the galaxy",
        file=found.file,
        expected=f"values within {_around(celestial, shape)}",
        found=f"a map within {_around(found.celestial, found.values.shape)}",
        advice="Compare the coordinates of the two, and their equinox.",
    )


def _around(celestial: str, shape: tuple[int, ...]) -> str:
    """The middle of a field and half of its longer side, in words."""
    n_y, n_x = shape[0], shape[1]
    ra, dec = sky_position(celestial, (n_x - 1) / 2, (n_y - 1) / 2)
    half = max(n_y, n_x) * np.sqrt(spaxel_area_arcsec2(celestial)) / 2
    return f'{half:.3g}" of {float(ra):.5f} {float(dec):+.5f}'
