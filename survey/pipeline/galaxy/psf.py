"""The point-spread function of a cube: the law of its instrument, a width, or an observed star."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catalogs.durable import hash_file
from catalogs.reference import Reference
from survey.config import PrepareSettings, ReadSettings
from survey.cubes.registry import read_cube
from survey.errors import ConfigError, DataError
from survey.spectra.psf.profiles import PointSpread, RoundProfile
from survey.spectra.psf.star import ObservedStar


def known_psf(
    cube: xr.Dataset,
    wavelength_um: NDArray[np.float64],
    settings: PrepareSettings,
    reference: Reference,
) -> PointSpread | None:
    """The point-spread function of a converted cube at observed wavelengths.

    None if neither the settings nor the table of instruments have one.

    Raises
    ------
    ConfigError
        If a cube of the star is not there.
    DataError
        If it is not one of a star.
    """
    spaxel_arcsec = float(np.sqrt(cube.attrs["spaxel_area_arcsec2"]))
    if settings.psf_star:
        return _star(star_hashes(settings)).at(wavelength_um, spaxel_arcsec)
    fwhm: NDArray[np.float64] | None
    if settings.psf_fwhm_arcsec is not None:
        fwhm = np.full(len(wavelength_um), settings.psf_fwhm_arcsec)
    else:
        fwhm = reference.psf_fwhm_arcsec(str(cube.attrs["instrument"]), wavelength_um)
    if fwhm is None:
        return None
    return RoundProfile(np.asarray(fwhm, np.float64) / spaxel_arcsec, settings.psf_profile)


def psf_of_spectra(
    cube: xr.Dataset,
    wavelength_um: NDArray[np.float64],
    settings: PrepareSettings,
    reference: Reference,
) -> PointSpread | None:
    """That of prepared spectra: after matching it is the widest in all planes."""
    found = known_psf(cube, wavelength_um, settings, reference)
    if found is None or settings.psf != "match":
        return found
    return found.of_planes(np.full(len(wavelength_um), np.argmax(found.fwhm)))


def needed_psf(
    cube: xr.Dataset,
    settings: PrepareSettings,
    reference: Reference,
    file: str,
) -> PointSpread:
    """The same of all planes of a cube, where the settings do something about it.

    Raises
    ------
    DataError
        If it is not known.
    """
    found = known_psf(cube, cube["wavelength"].values, settings, reference)
    if found is None:
        raise DataError(
            f'prepare.psf = "{settings.psf}" needs the width of the point-spread function',
            file=file,
            expected=f"psf_fwhm_arcsec of {cube.attrs['instrument']} in the table of instruments",
            found="none",
            advice="Give prepare.psf_fwhm_arcsec (of the seeing), or a star in prepare.psf_star.",
        )
    return found


def star_hashes(settings: PrepareSettings) -> tuple[tuple[str, str], ...]:
    """The cubes of the star and the hashes of their content.

    Raises
    ------
    ConfigError
        If one is not there.
    """
    for file in settings.psf_star:
        if not Path(file).is_file():
            raise ConfigError("prepare.psf_star: no such file", file=file)
    return tuple((file, _hash(file, *_state(file))) for file in settings.psf_star)


def _state(file: str) -> tuple[int, int]:
    found = Path(file).stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=16)
def _hash(file: str, size: int, changed_ns: int) -> str:
    return hash_file(Path(file))


@lru_cache(maxsize=2)
def _star(files: tuple[tuple[str, str], ...]) -> ObservedStar:
    """The star, measured once in a process."""
    return ObservedStar.joined([_measured(file) for file, _ in files])


def _measured(file: str) -> ObservedStar:
    try:
        cube = read_cube(Path(file), ReadSettings())
        return ObservedStar.of_cube(
            cube["flux"].values,
            cube["bad"].values,
            np.asarray(cube["wavelength"].values, np.float64),
            float(np.sqrt(cube.attrs["spaxel_area_arcsec2"])),
        )
    except DataError as error:
        raise DataError(
            f"prepare.psf_star: {error.message}", file=file, expected=error.expected,
            found=error.found, advice=error.advice,
        ) from None  # fmt: skip
