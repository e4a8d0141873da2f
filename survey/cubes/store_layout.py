"""What a store of spectra has: its arrays, their names and units, and the whole cube again."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

SPECTRA = ("flux", "error")
"""The arrays over (spaxel, wavelength)."""

EARLIER_MASK = "bad"
"""A third one, in stores of earlier versions, whose flux may be a number where it is bad."""

CONVENTIONS = "CF-1.11"
COORDINATES: dict[str, dict[str, Any]] = {
    "wavelength": {
        "units": "um",
        "standard_name": "radiation_wavelength",
        "long_name": "vacuum wavelength, observed frame",
    },
    "y": {"units": "1", "long_name": "row of the spaxel in the whole cube, from 0"},
    "x": {"units": "1", "long_name": "column of the spaxel in the whole cube, from 0"},
}
LONG_NAMES = {"flux": "flux density; NaN where it is bad", "error": "one standard deviation"}

FLAT: dict[str, Any] = {"name": "default", "separator": "."}
"""Files of chunks are beside the metadata of their array, without folders of their own."""


def to_cube(dataset: xr.Dataset) -> xr.Dataset:
    """The whole cube of a store, in memory.

    Parameters
    ----------
    dataset : xarray.Dataset
        As from `open_store` or `xarray.open_zarr`.

    Returns
    -------
    xarray.Dataset
        `flux` and `error` over (wavelength, y, x), NaN where nothing is stored. `y` and `x` count
        all rows and columns, also empty ones, so that they are the pixels (from 0) of the
        `celestial_header` in the attributes.
    """
    shape = (
        dataset.sizes["wavelength"],
        int(dataset.attrs["shape_y"]),
        int(dataset.attrs["shape_x"]),
    )
    y, x = dataset["y"].values, dataset["x"].values
    cubes = {}
    for name in SPECTRA:
        values = np.full(shape, np.nan, dataset[name].dtype)
        values[:, y, x] = dataset[name].values.T
        cubes[name] = (("wavelength", "y", "x"), values, dataset[name].attrs)
    if EARLIER_MASK in dataset:
        bad = dataset[EARLIER_MASK].values.T
        cubes["flux"][1][:, y, x] = np.where(bad, np.nan, cubes["flux"][1][:, y, x])
    coords = {
        "wavelength": dataset["wavelength"],
        "y": ("y", np.arange(shape[1]), COORDINATES["y"]),
        "x": ("x", np.arange(shape[2]), COORDINATES["x"]),
    }
    return xr.Dataset(cubes, coords, dataset.attrs)
