"""Errors whose header has another unit than the flux: 1e-40 beside 1e-17, Jy beside mJy."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from survey.cubes.lazy_image import Image, elementwise
from survey.cubes.read_fits import FitsFile
from survey.cubes.units import parse_unit
from survey.errors import DataError, SurveyWarning

POWERS = {"sigma": 1, "variance": 2, "inverse-variance": -2}
"""The power of the unit of the flux that errors have."""

_POSSIBLE = (1e-6, 1e4)
"""Errors over fluxes: with a factor of 1e20 forgotten in one header they are far out of it."""


@dataclass(frozen=True)
class ErrorUnit:
    """The unit of errors as in their header.

    Attributes
    ----------
    text : str
        "" if there is none.
    kind : str
        "sigma", "variance" or "inverse-variance".
    """

    text: str
    kind: str = "sigma"

    @classmethod
    def of(cls, fits_file: FitsFile, extension: str | int, kind: str = "sigma") -> ErrorUnit | None:
        """The unit in the header of an extension of errors; None if the file has none."""
        if not fits_file.has(extension):
            return None
        return cls(str(fits_file.header(extension).get("BUNIT", "")).strip(), kind)

    def factor(self, flux_unit: str) -> float:
        """What standard deviations are multiplied by to have the unit of the flux.

        1 where either unit is unknown, or they are not of one kind: many programs copy the header
        of the flux to its variances as it is.
        """
        power = POWERS[self.kind]
        units = [_unit(text) for text in (self.text, flux_unit)]
        if units[0] is None or units[1] is None:
            return 1.0
        ratio = (units[0] / units[1] ** power).decompose()
        if ratio.bases and not ratio.is_equivalent(u.dimensionless_unscaled):
            return 1.0
        factor = float(ratio.scale ** (1 / power))
        return 1.0 if abs(factor - 1) < 1e-6 else factor


def kind_by_unit(text: str, flux_unit: str) -> str | None:
    """Whether the unit is that of a standard deviation, a variance or its inverse."""
    unit, flux = _unit(text), _unit(flux_unit)
    if unit is None or flux is None:
        return None
    kinds = (kind for kind, power in POWERS.items() if unit.is_equivalent(flux**power))
    return next(kinds, None)


def in_unit_of_flux(
    error: Image, flux: Image, error_unit: ErrorUnit, flux_unit: str, *, file: str | Path
) -> Image:
    """Standard deviations in the unit of the flux.

    A factor that makes errors of a possible size impossible is left out, with a warning: then one
    of the headers lacks it.

    Parameters
    ----------
    error, flux : Voxels or ndarray, shape (wavelength, y, x)
    error_unit : ErrorUnit
    flux_unit : str
        As in the header of the flux.
    file : str or Path
        For the warning.
    """
    factor = error_unit.factor(flux_unit)
    if factor == 1:
        return error
    plane = flux.shape[0] // 2
    ratio = _typical(error[plane : plane + 1, :, :]) / _typical(flux[plane : plane + 1, :, :])
    if _is_possible(ratio) and not _is_possible(ratio * factor):
        warnings.warn(
            f"{file}: the unit of the errors, {error_unit.text!r}, does not fit their size: that "
            f"of the flux, {flux_unit!r}, is taken",
            SurveyWarning,
            stacklevel=2,
        )
        return error
    return elementwise(
        lambda sigma: (sigma * np.float64(factor)).astype(np.float32), error, dtype=np.float32
    )


def _typical(plane: NDArray[np.floating]) -> float:
    sizes = np.abs(plane[np.isfinite(plane) & (plane != 0)], dtype=np.float64)
    return float(np.median(sizes)) if sizes.size else float("nan")


def _is_possible(ratio: float) -> bool:
    return _POSSIBLE[0] < ratio < _POSSIBLE[1]


def _unit(text: str) -> u.UnitBase | None:
    """The unit without pixels, which mean the same in both headers if only one names them."""
    try:
        unit = parse_unit(text, file="", what="error")
    except DataError:
        return None
    for name in (u.pix, u.beam):
        powers = [
            power for base, power in zip(unit.bases, unit.powers, strict=True) if base == name
        ]
        unit = unit / name ** powers[0] if powers else unit
    return unit
