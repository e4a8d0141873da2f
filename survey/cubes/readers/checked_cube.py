"""The cube that every reader returns, of any instrument: checked, in common units, not yet read.

`survey inspect` needs no more. `survey.cubes.dataset` makes the xarray dataset of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from catalogs.printable import printable
from catalogs.reference.missing_data import MissingRule
from survey.cubes.axes.possible import ANY_INSTRUMENT_UM
from survey.cubes.lazy_image import Image, elementwise, planes_reversed
from survey.cubes.missing import FlagImage, find_missing, is_small
from survey.cubes.readers.error_units import ErrorUnit, in_unit_of_flux
from survey.cubes.units import flux_unit as canonical_flux_unit
from survey.cubes.wcs import celestial_header, header_text, is_on_cube, sky_position
from survey.cubes.wcs import spaxel_area_arcsec2 as area_on_sky
from survey.errors import DataError

LARGEST_SPAXEL_ARCSEC = 120.0
"""Herschel/SPIRE cubes have up to 35; increments in arcsec that are read as degrees, hundreds."""


@dataclass(frozen=True)
class CheckedCube:
    """A cube in the common form, see `check_cube`.

    Attributes
    ----------
    flux, error : Voxels or ndarray of float32, shape (wavelength, y, x)
        One standard deviation as error, NaN where unknown.
    bad : Voxels or ndarray of bool, same shape
        Where there are no data.
    n_bad : ndarray of int, shape (y, x)
        Number of bad planes.
    wavelength_um : ndarray, shape (wavelength,)
        Vacuum, observed frame, increasing.
    attrs : dict
        The attributes of the dataset.
    """

    flux: Image
    error: Image
    bad: Image
    n_bad: NDArray[np.int32]
    wavelength_um: NDArray[np.float64]
    attrs: dict[str, Any]


def check_cube(
    flux: Image,
    error: Image | None,
    flags: Sequence[FlagImage],
    wavelength_um: NDArray[np.float64],
    *,
    rules: Sequence[MissingRule] = (),
    header: fits.Header,
    flux_unit: str,
    error_unit: ErrorUnit | None = None,
    instrument: str,
    band: str,
    spaxel_area_arcsec2: float | None = None,
    target: str = "",
    redshift: float = float("nan"),
    ra_deg: float = float("nan"),
    dec_deg: float = float("nan"),
    file: str | Path,
) -> CheckedCube:
    """Check a cube and give it the common form.

    Parameters
    ----------
    flux : Voxels or ndarray, shape (wavelength, y, x)
        Flux density or surface brightness, kept as it is. Voxels are read once here, a few
        planes at a time; those of a cube that is not small are read again where it is indexed.
    error : Voxels or ndarray of the same shape, or None
        One standard deviation; None where the instrument gives none (NaN in the result).
    flags : sequence of FlagImage
        Masks, flags and weights with the rules that say where they mean missing data. The rules of
        every reader are added, see `survey.cubes.missing`.
    wavelength_um : ndarray, shape (wavelength,)
        Vacuum, observed frame. If they descend, all planes are turned round.
    rules : sequence of MissingRule
        Rules about the flux besides those of every reader.
    header : astropy.io.fits.Header
        Science header; kept verbatim, and source of the celestial coordinates.
    flux_unit : str
        As in the file.
    error_unit : ErrorUnit, optional
        As in the file; that of the flux if not given.
    instrument, band, target : str
        Instrument as in the instrument table, band such as "ch4-short" or "".
    spaxel_area_arcsec2 : float, optional
        Area of a spaxel; from the celestial coordinates if not given.
    redshift : float
        NaN if not known.
    ra_deg, dec_deg : float
        Position of the target (ICRS). If it is unknown or not on the cube, as of moving targets
        and of headers never filled in, it is the centre of the cube.
    file : str or Path
        The file, for messages.

    Returns
    -------
    CheckedCube
        With the attributes listed above, `celestial_header` and `header` (text),
        `position_is_centre`, `has_errors`, and `missing`, a JSON object with the number of voxels
        that every rule refuses.

    Raises
    ------
    DataError
        If shapes disagree, wavelengths do not increase, the unit is not one of flux, no value
        is usable, or the area of a spaxel is unknown.
    """
    flux = elementwise(np.asarray, flux, dtype=np.float32)
    _check_shapes(flux, error, flags, wavelength_um, file)
    if (np.diff(wavelength_um) < 0).all():
        wavelength_um = wavelength_um[::-1]
        flux, error = planes_reversed(flux), None if error is None else planes_reversed(error)
        flags = [flag.reversed() for flag in flags]
    _check_wavelengths(wavelength_um, file)
    if is_small(flux):
        flux, error = _in_memory(flux), None if error is None else _in_memory(error)
    if error is not None and error_unit is not None:
        written = str(header.get("BUNIT", "")).strip() or flux_unit
        error = in_unit_of_flux(error, flux, error_unit, written, file=file)
    missing = find_missing(flux, error, flags, rules)
    if missing.n_bad.min() == flux.shape[0]:
        raise DataError(
            "no usable value in the cube: all are NaN, zero or flagged",
            file=file,
            expected="voxels that no rule refuses",
            found=", ".join(f"{n} where {rule}" for rule, n in missing.counts.items() if n),
        )
    if error is None:
        known_error: Image = np.broadcast_to(np.float32(np.nan), flux.shape)
    else:
        known_error = elementwise(_known_error, error, dtype=np.float32)

    celestial = celestial_header(header, file=file)
    if spaxel_area_arcsec2 is None:
        area = area_on_sky(celestial)
        _check_area(area, wavelength_um, file)
    else:
        area = spaxel_area_arcsec2
    if not np.isfinite(area):
        raise DataError(
            "the area of a spaxel is unknown: the header has no celestial coordinates",
            file=file,
            expected="CTYPE, CRVAL, CRPIX, and CDELT or CD, of both axes of the sky",
            found=f"{header.get('CTYPE1')!r} and {header.get('CTYPE2')!r}",
            advice='Set read.reader = "generic" and spaxel_area_arcsec2 in [read.generic]',
        )
    given = is_on_cube(celestial, (flux.shape[1], flux.shape[2]), ra_deg, dec_deg)
    if not given:
        centre = sky_position(celestial, (flux.shape[2] - 1) / 2, (flux.shape[1] - 1) / 2)
        ra_deg, dec_deg = (float(coordinate) for coordinate in centre)

    return CheckedCube(
        flux,
        known_error,
        missing.bad,
        missing.n_bad,
        np.asarray(wavelength_um, dtype=np.float64),
        attrs={
            "flux_unit": canonical_flux_unit(flux_unit, file=file, header=header),
            "spaxel_area_arcsec2": float(area),
            "instrument": printable(instrument),
            "band": printable(band),
            "target": printable(target),
            "redshift": float(redshift),
            "ra_deg": float(ra_deg),
            "dec_deg": float(dec_deg),
            "position_is_centre": not given,
            "has_errors": error is not None,
            "missing": json.dumps(missing.counts),
            "celestial_header": celestial,
            "header": header_text(header),
        },
    )


def _check_area(area_arcsec2: float, wavelength_um: NDArray[np.float64], file: str | Path) -> None:
    """Check the area of a spaxel in a header: of radio cubes it may be anything."""
    if not area_arcsec2 > LARGEST_SPAXEL_ARCSEC**2 or wavelength_um[-1] > ANY_INSTRUMENT_UM[1]:
        return
    raise DataError(
        "the spaxels are larger than those of any integral-field spectrograph",
        file=file,
        expected=f"up to {LARGEST_SPAXEL_ARCSEC:g} arcsec",
        found=f"{area_arcsec2**0.5:.4g} arcsec",
        advice="Correct CUNIT1 and CUNIT2 in the header (degrees, if they are missing), or CDELT, "
        "CD and PC of both axes",
    )


def _in_memory(image: Image) -> NDArray[Any]:
    return image[(slice(None),) * image.ndim]


def _known_error(error: NDArray[np.floating]) -> NDArray[np.floating]:
    """Errors; NaN (unknown) for those that are not positive and finite, whose flux stays."""
    with np.errstate(invalid="ignore"):
        return np.where((error > 0) & np.isfinite(error), error, np.float32(np.nan))


def sigma_from_variance(variance: NDArray[np.floating]) -> NDArray[np.floating]:
    """Standard deviation of a variance; NaN where that is not positive."""
    positive = np.where(variance > 0, variance, np.nan)
    return np.sqrt(positive, out=positive)


def sigma_from_inverse_variance(weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """Standard deviation of an inverse variance; NaN where that is not positive."""
    sigma = sigma_from_variance(weight)
    return np.reciprocal(sigma, out=sigma)


def _check_shapes(
    flux: Image,
    error: Image | None,
    flags: Sequence[FlagImage],
    wavelength_um: NDArray[np.float64],
    file: str | Path,
) -> None:
    if flux.ndim != 3:
        raise DataError(
            "the flux is not a cube", file=file, expected="3 dimensions", found=str(flux.shape)
        )
    wanted: list[tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...]]] = [
        ("wavelength", wavelength_um.shape, (flux.shape[:1],)),
        *(("mask", flag.image.shape, (flux.shape, flux.shape[1:])) for flag in flags),
    ]
    if error is not None:
        wanted.append(("error", error.shape, (flux.shape,)))
    for name, shape, fitting in wanted:
        if shape not in fitting:
            raise DataError(
                f"the {name} does not fit the flux",
                file=file,
                expected=f"shape {' or '.join(str(fit) for fit in fitting)}",
                found=f"shape {shape}",
            )


def _check_wavelengths(wavelength_um: NDArray[np.float64], file: str | Path) -> None:
    with np.errstate(invalid="ignore"):
        increasing = np.diff(wavelength_um) > 0
    if not (increasing.all() and wavelength_um[0] > 0 and np.isfinite(wavelength_um).all()):
        raise DataError(
            "the wavelengths are not positive and strictly increasing",
            file=file,
            expected="wavelengths above 0 that increase from plane to plane",
            found=f"{wavelength_um[0]:.6g} to {wavelength_um[-1]:.6g} micron, "
            f"{int((~increasing).sum())} of {increasing.size} steps not positive",
        )
