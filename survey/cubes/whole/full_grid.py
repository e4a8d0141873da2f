"""Cubes as people work with them: on the full spaxel grid, with units and sky coordinates.

Stores have only the spaxels that hold data. Here they are put back into the image, a few rows of it
at a time, when they are asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from survey.cubes.dataset import CUBE_DIMS
from survey.cubes.store import StoredRows, open_store, stored_spectra
from survey.cubes.wcs import sky_position

FILLS = {"flux": np.nan, "error": np.nan, "bad": True}
"""The arrays of a cube, and what they are where no spectrum is stored."""

CHUNK_VOXELS = 1 << 23
"""Voxels of one chunk at most: rows of the image with all their wavelengths."""


def full_cube(path: str | Path) -> xr.Dataset:
    """The cube of a store on its full grid, read where it is computed.

    Parameters
    ----------
    path : str or Path
        Folder of the store.

    Returns
    -------
    xarray.Dataset
        `flux`, `error` (NaN where there is no spaxel) and `bad` (True there) over (wavelength, y,
        x), as Dask arrays in chunks of rows of the image; coordinates as of `with_sky`.

    Raises
    ------
    IntegrityError
        If the store is incomplete or damaged; of a damaged chunk, when it is computed.
    """
    stored = open_store(path)
    attrs = dict(stored.attrs)
    shape = int(attrs.pop("shape_y")), int(attrs.pop("shape_x"))
    wavelength = stored["wavelength"].values
    y, x = (np.asarray(stored[axis].values, dtype=np.intp) for axis in "yx")
    step = max(1, CHUNK_VOXELS // (wavelength.size * shape[1]))
    n_rows = [min(step, shape[0] - start) for start in range(0, shape[0], step)]
    chunks = ((wavelength.size,), tuple(n_rows), (shape[1],))
    arrays = {
        name: (CUBE_DIMS, _image(table, (y, x), chunks, fill))
        for (name, fill), table in zip(FILLS.items(), stored_spectra(path), strict=True)
    }
    return with_sky(xr.Dataset(arrays, coords={"wavelength": wavelength}, attrs=attrs))


def with_sky(cube: xr.Dataset) -> xr.Dataset:
    """A cube with units, pixel indices and the sky coordinates of its spaxels.

    Parameters
    ----------
    cube : xarray.Dataset
        Over (wavelength, y, x), with the attributes of `survey.cubes.dataset.build_cube`.

    Returns
    -------
    xarray.Dataset
        Coordinates `wavelength` (micron, vacuum, observed frame), `y` and `x` (pixels from 0), `ra`
        and `dec` of the middles of the spaxels (y, x) in degrees (ICRS), NaN without celestial
        coordinates. `units` is an attribute of every variable that has one.
    """
    n_y, n_x = cube["flux"].shape[1:]
    cube = cube.assign_coords(sky_coordinates(cube.attrs["celestial_header"], (n_y, n_x)))
    units = {"flux": cube.attrs["flux_unit"], "error": cube.attrs["flux_unit"], "wavelength": "um"}
    for name, unit in units.items():
        cube[name].attrs["units"] = unit
    cube["wavelength"].attrs["long_name"] = "observed wavelength in vacuum"
    return cube


def sky_coordinates(celestial: str, shape: tuple[int, int]) -> dict[str, xr.Variable]:
    """The coordinates `y`, `x`, `ra` and `dec` of an image; see `with_sky`.

    Parameters
    ----------
    celestial : str
        Text of the celestial header; "" if there is none.
    shape : (int, int)
        Spaxels along y and x.
    """
    y, x = np.indices(shape)
    ra, dec = sky_position(celestial, x, y)
    frame = {"units": "deg", "frame": "ICRS"}
    return {
        "y": xr.Variable("y", np.arange(shape[0]), {"units": "pix"}),
        "x": xr.Variable("x", np.arange(shape[1]), {"units": "pix"}),
        "ra": xr.Variable(("y", "x"), ra, frame),
        "dec": xr.Variable(("y", "x"), dec, frame),
    }


def _image(
    table: StoredRows,
    positions: tuple[NDArray[np.intp], NDArray[np.intp]],
    chunks: tuple[tuple[int, ...], ...],
    fill: Any,
) -> da.Array:
    """A table (spaxel, wavelength) as a Dask array (wavelength, y, x)."""

    def read(block_info: Any = None) -> NDArray[Any]:
        place = block_info[None]
        (n_plane, n_y, n_x), (_, (first, end), _) = place["chunk-shape"], place["array-location"]
        block = np.full((n_plane, n_y, n_x), fill, dtype=table.dtype)
        y, x = positions
        (stored,) = np.nonzero((y >= first) & (y < end))
        if stored.size:
            # Stored in order of the image, the spaxels of some rows are one piece.
            start = int(stored.min())
            spectra = table[start : int(stored.max()) + 1][stored - start]
            block[:, y[stored] - first, x[stored]] = spectra.T
        return block

    empty = np.empty((0, 0, 0), table.dtype)
    return da.map_blocks(read, chunks=chunks, dtype=table.dtype, meta=empty)
