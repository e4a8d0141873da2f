"""Reader for other cubes: the settings name the extensions and units of the data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from survey.config import GenericReaderSettings
from survey.cubes.axes.layout import Layout, cube_layout
from survey.cubes.dataset import build_cube, sigma_from_inverse_variance, sigma_from_variance
from survey.cubes.lazy_image import Image, elementwise
from survey.cubes.read_fits import FitsFile
from survey.cubes.wavelength import wavelength_axis_um, wavelength_extension_um

_TO_SIGMA: dict[str, Callable[[NDArray[np.floating]], NDArray[np.floating]]] = {
    "sigma": np.asarray,
    "variance": sigma_from_variance,
    "inverse-variance": sigma_from_inverse_variance,
}


def read_generic(fits_file: FitsFile, settings: GenericReaderSettings) -> xr.Dataset:
    """Read a cube as the settings describe it.

    A mask is bad where it is not zero, and may be an image that holds for all planes. The area
    of a spaxel has to be set where the header has no celestial coordinates: linear axes (as
    of GMOS cubes) have increments of no stated unit, so nothing is read from them.
    """
    layout = cube_layout(fits_file, settings.flux)
    header = layout.header
    return build_cube(
        layout.image(fits_file, settings.flux, np.float32),
        _error(fits_file, settings, layout),
        _mask(fits_file, settings, layout),
        _wavelength_um(fits_file, settings),
        header=header,
        flux_unit=settings.flux_unit or header.get("BUNIT", ""),
        instrument=settings.instrument,
        band=settings.band,
        spaxel_area_arcsec2=settings.spaxel_area_arcsec2,
        target=str(header.get("OBJECT", fits_file.primary.get("OBJECT", ""))),
        file=fits_file.path,
    )


def _wavelength_um(fits_file: FitsFile, settings: GenericReaderSettings) -> NDArray[np.float64]:
    if settings.wavelength is not None:
        return wavelength_extension_um(
            fits_file,
            settings.wavelength,
            unit=settings.wavelength_unit,
            medium=settings.wavelength_medium,
            instrument=settings.instrument,
        )
    return wavelength_axis_um(
        fits_file,
        settings.flux,
        unit=settings.wavelength_unit,
        medium=settings.wavelength_medium,
        instrument=settings.instrument,
    )


def _error(fits_file: FitsFile, settings: GenericReaderSettings, layout: Layout) -> Image | None:
    if settings.error is None:
        return None
    given = layout.image(fits_file, settings.error)
    return elementwise(_TO_SIGMA[settings.error_is], given, dtype=np.float32)


def _mask(fits_file: FitsFile, settings: GenericReaderSettings, layout: Layout) -> Image | None:
    if settings.mask is None:
        return None
    given = layout.image(fits_file, settings.mask, for_all_planes=True)
    return elementwise(lambda mask: mask != 0, given, dtype=bool)
