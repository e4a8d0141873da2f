"""Reader for other cubes: the settings name the extensions and units of the data."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from catalogs.reference.missing_data import MissingRule
from survey.config import GenericReaderSettings
from survey.cubes.axes.layout import Layout, cube_layout
from survey.cubes.lazy_image import Image, elementwise
from survey.cubes.missing import FlagImage
from survey.cubes.read_fits import FitsFile
from survey.cubes.readers.checked_cube import (
    CheckedCube,
    check_cube,
    sigma_from_inverse_variance,
    sigma_from_variance,
)
from survey.cubes.readers.error_units import ErrorUnit
from survey.cubes.readers.places import Place, parse_place
from survey.cubes.wavelength import check_same_planes, wavelength_axis_um, wavelength_extension_um
from survey.errors import DataError, SurveyWarning

_TO_SIGMA: dict[str, Callable[[NDArray[np.floating]], NDArray[np.floating]]] = {
    "sigma": np.asarray,
    "variance": sigma_from_variance,
    "inverse-variance": sigma_from_inverse_variance,
}


def read_generic(fits_file: FitsFile, settings: GenericReaderSettings) -> CheckedCube:
    """Read a cube as the settings describe it.

    A mask may be an image that holds for all planes. The area of a spaxel has to be set where the
    header has no celestial coordinates: linear axes (as of GMOS cubes) have increments of no stated
    unit, so nothing is read from them.
    """
    layout = cube_layout(fits_file, settings.flux)
    header = layout.header
    error, unit, weights = _error(fits_file, settings, layout)
    return check_cube(
        layout.image(fits_file, settings.flux, np.float32),
        error,
        [*weights, *_mask(fits_file, settings, layout)],
        _wavelength_um(fits_file, settings),
        rules=_missing_values(settings),
        header=header,
        flux_unit=settings.flux_unit or fits_file.flux_unit(header),
        error_unit=unit,
        instrument=settings.instrument,
        band=settings.band,
        spaxel_area_arcsec2=settings.spaxel_area_arcsec2,
        target=str(header.get("OBJECT", fits_file.primary.get("OBJECT", ""))),
        file=fits_file.path,
    )


def _find(fits_file: FitsFile, place: Place, *, what: str) -> tuple[FitsFile, str | int]:
    """The open file and the extension of a place."""
    path = place.file_beside(fits_file.file)
    file = fits_file if path is None else fits_file.other(path)
    if place.extension is not None:
        return file, place.extension
    for number, header in enumerate(file.headers()):
        if header.get("NAXIS", 0) > 0:
            return file, number
    raise DataError(f"no data in the file of the {what}", file=file.path)


def _wavelength_um(fits_file: FitsFile, settings: GenericReaderSettings) -> NDArray[np.float64]:
    if settings.wavelength is None:
        return wavelength_axis_um(
            fits_file,
            settings.flux,
            unit=settings.wavelength_unit,
            medium=settings.wavelength_medium,
            instrument=settings.instrument,
        )
    place = parse_place(settings.wavelength)
    file, extension = _find(fits_file, place, what="wavelengths")
    wavelength_um = wavelength_extension_um(
        file,
        extension,
        column=place.column,
        unit=settings.wavelength_unit,
        medium=settings.wavelength_medium,
        instrument=settings.instrument,
    )
    try:
        check_same_planes(fits_file, settings.flux, wavelength_um, str(settings.wavelength))
    except DataError as error:
        # The user has chosen between them.
        error.advice = "Those of [read.generic] wavelength are taken"
        warnings.warn(str(error), SurveyWarning, stacklevel=2)
    return wavelength_um


def _error(
    fits_file: FitsFile, settings: GenericReaderSettings, layout: Layout
) -> tuple[Image | None, ErrorUnit | None, list[FlagImage]]:
    """The errors, their unit, and the weights of 0 among them: there are no data."""
    if settings.error is None:
        return None, None, []
    file, extension = _find(fits_file, parse_place(settings.error), what="errors")
    given = layout.image(file, extension)
    unit = ErrorUnit.of(file, extension, settings.error_is)
    error = elementwise(_TO_SIGMA[settings.error_is], given, dtype=np.float32)
    if settings.error_is != "inverse-variance":
        return error, unit, []
    name = str(settings.error)
    return (
        error,
        unit,
        [FlagImage(given, (MissingRule(f"{name} is not positive", "not positive", name),))],
    )


def _mask(fits_file: FitsFile, settings: GenericReaderSettings, layout: Layout) -> list[FlagImage]:
    if settings.mask is None:
        return []
    name = str(settings.mask)
    file, extension = _find(fits_file, parse_place(settings.mask), what="mask")
    image = layout.image(file, extension, for_all_planes=True)
    if settings.mask_bits is None:
        return [FlagImage.of_mask(image, name)]
    rules = (MissingRule(f"{name} bit {bit}", "bit", name, bit) for bit in settings.mask_bits)
    return [FlagImage(image, tuple(rules))]


def _missing_values(settings: GenericReaderSettings) -> list[MissingRule]:
    values = settings.missing_values
    text = ", ".join(f"{value:g}" for value in values)
    return [MissingRule(f"flux is {text}", "one of", values=values)] if values else []
