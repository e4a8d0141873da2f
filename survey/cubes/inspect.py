"""Summary of a cube: instrument, shape, wavelengths, lines and bands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isnan, prod, sqrt
from pathlib import Path

import numpy as np

from catalogs.reference import Reference, packaged_reference
from survey.config import ReadSettings
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.readers.checked_cube import CheckedCube
from survey.cubes.registry import check_header_redshift, open_checked
from survey.spectra.constants import LIGHT_KM_S


@dataclass(frozen=True)
class CubeSummary:
    """Facts about a cube. Pairs are values at the blue and the red end.

    Attributes
    ----------
    shape : tuple of int
        Wavelength, y, x.
    bad_fraction : float
        Fraction of all voxels that have no data.
    missing : dict of int
        Voxels without data by the rule that says so (`catalogs/data/missing_data.toml`); a voxel
        may be in several.
    n_spaxel : int
        Spaxels with any usable value.
    sub_band : str
        The sub-band or grating of the cube.
    lines, pah_bands : tuple of str or None
        Known lines, and PAH bands with their whole window, inside the range at the redshift; None
        if the redshift is unknown.
    """

    path: str
    reader: str
    instrument: str
    sub_band: str
    target: str
    redshift: float
    shape: tuple[int, int, int]
    flux_unit: str
    range_um: tuple[float, float]
    step_um: tuple[float, float]
    step_km_s: tuple[float, float]
    spaxel_arcsec: float
    bad_fraction: float
    missing: dict[str, int]
    n_spaxel: int
    lines: tuple[str, ...] | None
    pah_bands: tuple[str, ...] | None


def inspect_cube(
    path: str | Path | CubeFile,
    settings: ReadSettings,
    redshift: float = float("nan"),
    *,
    reference: Reference | None = None,
) -> CubeSummary:
    """Read a cube, a few planes at a time, and summarise it.

    Lines and bands are those of `reference`; by default the packaged ones.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    with open_checked(path, settings, redshift=redshift) as cube:
        check_header_redshift(cube.attrs["redshift"], path)
        return _summary(str(path), cube, reference or packaged_reference())


def _summary(path: str, cube: CheckedCube, reference: Reference) -> CubeSummary:
    wavelength_um, n_bad, attrs = cube.wavelength_um, cube.n_bad, cube.attrs
    n_wavelength, n_y, n_x = cube.flux.shape
    range_um = (float(wavelength_um[0]), float(wavelength_um[-1]))
    step_um = (
        float(wavelength_um[1] - wavelength_um[0]),
        float(wavelength_um[-1] - wavelength_um[-2]),
    )
    return CubeSummary(
        path=path,
        reader=attrs["reader"],
        instrument=attrs["instrument"],
        sub_band=attrs["band"],
        target=attrs["target"],
        redshift=attrs["redshift"],
        shape=(n_wavelength, n_y, n_x),
        flux_unit=attrs["flux_unit"],
        range_um=range_um,
        step_um=step_um,
        step_km_s=(
            LIGHT_KM_S * step_um[0] / range_um[0],
            LIGHT_KM_S * step_um[1] / range_um[1],
        ),
        spaxel_arcsec=sqrt(attrs["spaxel_area_arcsec2"]),
        bad_fraction=float(n_bad.sum(dtype=np.int64) / prod(cube.bad.shape)),
        missing=json.loads(attrs["missing"]),
        n_spaxel=int((n_bad < n_wavelength).sum()),
        lines=_lines_inside(cube, reference),
        pah_bands=_pah_bands_inside(cube, reference),
    )


def _lines_inside(cube: CheckedCube, reference: Reference) -> tuple[str, ...] | None:
    rest = _rest_range_um(cube)
    if rest is None:
        return None
    return tuple(line.name for line in reference.lines if rest[0] <= line.wavelength_um <= rest[1])


def _pah_bands_inside(cube: CheckedCube, reference: Reference) -> tuple[str, ...] | None:
    rest = _rest_range_um(cube)
    if rest is None:
        return None
    return tuple(
        band.name
        for band in reference.bands
        if rest[0] <= band.integration_um[0] and band.integration_um[1] <= rest[1]
    )


def _rest_range_um(cube: CheckedCube) -> tuple[float, float] | None:
    redshift = cube.attrs["redshift"]
    if isnan(redshift):
        return None
    first, *_, last = cube.wavelength_um / (1 + redshift)
    return float(first), float(last)
