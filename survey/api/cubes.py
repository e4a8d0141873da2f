"""Cubes for notebooks: read from files, checked when they come back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from survey.api.arguments import Files, as_files, as_settings
from survey.cubes.dataset import CUBE_DIMS
from survey.cubes.wcs import celestial_wcs, header_text, read_header
from survey.cubes.whole.full_grid import with_sky
from survey.cubes.whole.read_files import open_files
from survey.errors import ConfigError
from survey.pipeline.reference import reference_of

if TYPE_CHECKING:
    from astropy.wcs import WCS

FILES = "files"
"""Attribute of a cube with the paths of its files."""

NEEDED_ATTRIBUTES = ("flux_unit", "spaxel_area_arcsec2", "instrument", "celestial_header")
ADVICE = "Take a cube of survey.read; xarray drops attributes in some operations (keep_attrs)"


def read(files: Files, *, settings: Mapping[str, Any] | str | Path | None = None) -> xr.Dataset:
    """Read a cube of any known instrument into memory.

    Parameters
    ----------
    files : path or list of paths
        One FITS cube (plain or compressed), or the sub-bands of one target, which are merged.
    settings : mapping or path, optional
        Settings of `survey.toml`, as {"read.reader": "muse"}, or such a file.

    Returns
    -------
    xarray.Dataset
        `flux` and `error` (float32, in the unit ``cube.attrs["flux_unit"]``; `error` is one
        standard deviation, NaN if unknown) and `bad` (bool), of shape (wavelength, y, x); `n_bad`
        (y, x), the number of bad planes. Coordinates: `wavelength` (micron, vacuum, observed
        frame), `y` and `x` (pixels from 0), `ra` and `dec` (degrees, ICRS) of shape (y, x).
        `survey.wcs` gives its celestial coordinates.

    Raises
    ------
    ConfigError
        If a file does not exist, or a setting is not valid.
    DataError
        If a file cannot be read as a cube, or sub-bands do not fit together.

    Examples
    --------
    >>> cube = survey.read("cube_s3d.fits")
    >>> cube.flux.dims
    ('wavelength', 'y', 'x')
    >>> image = cube.flux.mean("wavelength").plot()
    """
    paths = as_files(files, "files")
    checked = as_settings(settings, preset=None, k=None)
    arms = [name for name, one in reference_of(checked.tables).instruments.items() if one.arms]
    with open_files(paths, checked.read, masked=checked.prepare.mask_impossible, arms=arms) as cube:
        return with_sky(cube.load()).assign_attrs({FILES: [path.recorded for path in paths]})


def wcs(cube: xr.Dataset | xr.DataArray) -> WCS | None:
    """The celestial coordinates of a cube, or of a map of it.

    Parameters
    ----------
    cube : xarray.Dataset or DataArray
        Of `survey.read`, `Run.cube` or `Result.labels`, or a rectangle cut out of one along `y` and
        `x` (``cube.isel(y=slice(10, 30))``).

    Returns
    -------
    astropy.wcs.WCS or None
        Of the two axes (x, y), for pixels counted from 0 at the first one that is left; None if the
        cube has no celestial coordinates.

    Raises
    ------
    ConfigError
        If `cube` has no celestial header, or is no rectangle of neighbouring spaxels.
    """
    header = cut_header(cube)
    return celestial_wcs(header) if header else None


def cut_header(cube: xr.Dataset | xr.DataArray) -> str:
    """The celestial header of a cube, or of the rectangle of one; "" if it has none."""
    try:
        text = str(cube.attrs["celestial_header"])
    except (AttributeError, KeyError):
        raise ConfigError("cube: it has no attribute celestial_header", advice=ADVICE) from None
    header = read_header(text)
    for axis, keyword in (("x", "CRPIX1"), ("y", "CRPIX2")):
        if axis not in cube.coords or cube[axis].size == 0:
            continue
        pixels = np.atleast_1d(cube[axis].values)
        if (np.diff(pixels) != 1).any():
            raise ConfigError(
                f"cube: its spaxels along {axis} are not neighbours",
                expected="every spaxel from the first to the last",
                found=f"{axis} = {', '.join(map(str, pixels[:4]))} ...",
            )
        if text and pixels[0]:
            header[keyword] = header.get(keyword, 0.0) - float(pixels[0])
    return header_text(header) if text else ""


def as_cube(cube: xr.Dataset) -> xr.Dataset:
    """A cube as the stages take it, after whatever was done to it in a notebook.

    Raises
    ------
    ConfigError
        If something is missing, or has another shape.
    """
    if "flux" not in cube or set(cube["flux"].dims) != set(CUBE_DIMS):
        found = dict(cube["flux"].sizes) if "flux" in cube else f"variables {list(cube)}"
        raise ConfigError(
            "cube: not a cube", expected=f"flux over {', '.join(CUBE_DIMS)}", found=str(found),
            advice=ADVICE,
        )  # fmt: skip
    if missing := [name for name in NEEDED_ATTRIBUTES if name not in cube.attrs]:
        raise ConfigError(f"cube: attributes are missing: {', '.join(missing)}", advice=ADVICE)
    flux = cube["flux"].transpose(*CUBE_DIMS).astype(np.float32)
    unknown = xr.full_like(flux, np.nan)
    error = cube["error"].transpose(*CUBE_DIMS).astype(np.float32) if "error" in cube else unknown
    bad = ~(abs(flux) < np.inf)
    if "bad" in cube:
        bad = bad | cube["bad"].transpose(*CUBE_DIMS).astype(bool)
    defaults = {"band": "", "target": "", "redshift": np.nan, "header": "", "reader": "",
                "ra_deg": np.nan, "dec_deg": np.nan, "position_is_centre": True}  # fmt: skip
    attrs = defaults | cube.attrs | {
        "celestial_header": cut_header(cube), "has_errors": bool(np.isfinite(error).any())
    }  # fmt: skip
    arrays = {"flux": flux, "error": error, "bad": bad, "n_bad": bad.sum("wavelength")}
    plain = {name: (array.dims, array.data) for name, array in arrays.items()}
    wavelength = np.asarray(cube["wavelength"].values, dtype=np.float64)
    return xr.Dataset(plain, coords={"wavelength": wavelength}, attrs=attrs)
