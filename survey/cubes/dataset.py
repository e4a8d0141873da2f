"""Cubes as xarray datasets, whose voxels are read where they are indexed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from survey.cubes.lazy_image import Image, Voxels
from survey.cubes.missing import FlagImage
from survey.cubes.readers.checked_cube import CheckedCube, check_cube

CUBE_DIMS = ("wavelength", "y", "x")


def to_dataset(cube: CheckedCube) -> xr.Dataset:
    """The dataset of a cube.

    Returns
    -------
    xarray.Dataset
        `flux` and `error` (float32), `bad` (bool) over (wavelength, y, x), `n_bad` over
        (y, x), the number of bad planes, with the attributes of the cube.
    """
    return xr.Dataset(
        {
            "flux": (CUBE_DIMS, _for_dataset(cube.flux)),
            "error": (CUBE_DIMS, _for_dataset(cube.error)),
            "bad": (CUBE_DIMS, _for_dataset(cube.bad)),
            "n_bad": (CUBE_DIMS[1:], cube.n_bad),
        },
        coords={"wavelength": ("wavelength", cube.wavelength_um)},
        attrs=cube.attrs,
    )


def build_cube(
    flux: Image,
    error: Image | None,
    flags: Sequence[FlagImage],
    wavelength_um: NDArray[np.float64],
    **facts: Any,
) -> xr.Dataset:
    """Check a cube and make its dataset; see `survey.cubes.readers.checked_cube.check_cube`."""
    return to_dataset(check_cube(flux, error, flags, wavelength_um, **facts))


def _for_dataset(image: Image) -> Any:
    """What to give xarray for it: an array as it is, voxels to be read later."""
    if isinstance(image, Voxels):
        return indexing.LazilyIndexedArray(_Backend(image))
    return image


class _Backend(BackendArray):
    """The form in which xarray takes arrays that are not in memory."""

    def __init__(self, voxels: Voxels) -> None:
        self.voxels = voxels
        self.shape, self.dtype = voxels.shape, voxels.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self.voxels.__getitem__
        )
