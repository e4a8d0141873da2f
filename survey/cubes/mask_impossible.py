"""Masks impossible voxels of a whole cube, before resampling would spread them.

Sub-bands are moved to a common grid when they are merged. A hot voxel would then become a patch of
some spaxels and planes, which looks like a line of a point source. Cubes that are not merged are
masked when their spectra are prepared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from survey.cubes.dataset import CUBE_DIMS
from survey.spectra.blocks import read_blocks
from survey.spectra.impossible import Neighbours, SpaxelGrid, impossible_voxels

if TYPE_CHECKING:
    import xarray as xr

_BLOCK_SAMPLES = 2**19


def mask_impossible(cube: xr.Dataset) -> xr.Dataset:
    """The cube with its impossible voxels marked as bad, see `survey.spectra.impossible`.

    Parameters
    ----------
    cube : xarray.Dataset
        As of `survey.cubes.dataset.build_cube`, in memory.

    Returns
    -------
    xarray.Dataset
        With the attribute `n_impossible`, the number of voxels that were marked.
    """
    shape = cube["flux"].shape
    # As spectra; both are views, and nothing is copied but blocks.
    flux = cube["flux"].values.reshape(shape[0], -1).T
    bad = cube["bad"].values.reshape(shape[0], -1).T
    marked = bad.copy(order="K")
    grid = SpaxelGrid(*np.divmod(np.arange(flux.shape[0]), shape[2]))
    count = 0
    for rows, block, read in read_blocks((flux, bad), _BLOCK_SAMPLES):
        neighbours = Neighbours(grid, flux, bad, read.first, *read.tables)
        block_flux, block_bad = (np.ascontiguousarray(table) for table in block)
        found, planes = impossible_voxels(block_flux, block_bad, rows, neighbours)
        marked[rows.start + found, planes] = True
        count += len(found)
    return cube.assign(bad=(CUBE_DIMS, marked.T.reshape(shape))).assign_attrs(n_impossible=count)
