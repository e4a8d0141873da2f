"""Numbers of a spectral axis to wavelengths in vacuum, in micron.

The kinds of axes are those of the FITS spectral standard (Greisen et al. 2006, A&A 446, 747,
table 1); their formulae are in section 2 there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from astropy import units as u
from numpy.typing import ArrayLike, NDArray

from survey.cubes.units import parse_unit
from survey.errors import DataError
from survey.spectra.constants import LIGHT_KM_S

Medium = Literal["vacuum", "air"]
Floats = NDArray[np.float64]

LARGEST_LOG10 = 6.5
"""Decimal logarithms of Angstrom are smaller, natural ones larger (3 micron and 0.07 micron)."""

_LOGARITHM = re.compile(
    r"\s*(?P<base>log10|log|lg|dex|ln)\s*[\[(]?\s*(?P<unit>[^\])]*)[\])]?\s*", re.I
)
_RELATIVE = ("VRAD", "VOPT", "VELO", "ZOPT", "BETA")


def _of_radio_velocity(beta: Floats) -> Floats:
    return 1 / (1 - beta)


def _of_optical_velocity(beta: Floats) -> Floats:
    return 1 + beta


def _of_relativistic_velocity(beta: Floats) -> Floats:
    return np.sqrt((1 + beta) / (1 - beta))


_OVER_REST: dict[str, Callable[[Floats], Floats]] = {
    "VRAD": _of_radio_velocity,
    "VOPT": _of_optical_velocity,
    "ZOPT": _of_optical_velocity,
    "VELO": _of_relativistic_velocity,
    "BETA": _of_relativistic_velocity,
}
"""Wavelength over rest wavelength, of velocities over that of light."""

_UNITS: dict[str, tuple[str, str]] = {
    "WAVE": ("m", "a length"),
    "AWAV": ("m", "a length"),
    "FREQ": ("Hz", "a frequency"),
    "WAVN": ("1/m", "a wavenumber such as cm-1"),
    "ENER": ("J", "an energy"),
    "VRAD": ("km/s", "a velocity"),
    "VOPT": ("km/s", "a velocity"),
    "VELO": ("km/s", "a velocity"),
    "ZOPT": ("", "no unit"),
    "BETA": ("", "no unit"),
}
_KIND_OF_UNIT = {"m": "WAVE", "Hz": "FREQ", "1/m": "WAVN", "J": "ENER"}


@dataclass(frozen=True)
class SpectralValues:
    """Numbers of a spectral axis with what is known of their meaning.

    Attributes
    ----------
    values : ndarray, shape (wavelength,)
    unit : str
        As written, "log10(Angstrom)" and "ln(um)" included.
    kind : str
        One of the standard's, or "" if the unit alone says what it is.
    medium : {"vacuum", "air"}
        Of wavelengths of no kind or of kind "". WAVE and AWAV say it themselves.
    rest_um : float
        Vacuum rest wavelength, for velocities; NaN if unknown.
    """

    values: ArrayLike
    unit: str
    kind: str = ""
    medium: Medium = "vacuum"
    rest_um: float = float("nan")

    def vacuum_um(self, *, file: str | Path) -> Floats:
        """Wavelengths in vacuum, micron, in the order of the values.

        Raises
        ------
        DataError
            If the unit is unknown or not one of the kind, or velocities have no rest value.
        """
        values, unit_text = _without_logarithm(np.asarray(self.values, dtype=np.float64), self.unit)
        kind = self.kind
        unit = _dimensionless(unit_text) if kind in ("ZOPT", "BETA") else None
        unit = unit or parse_unit(unit_text, file=file, what="wavelength axis")
        kind = kind or next(
            (kind for si, kind in _KIND_OF_UNIT.items() if unit.is_equivalent(u.Unit(si))), ""
        )
        si, expected = _UNITS.get(kind, ("m", "a length"))
        if not unit.is_equivalent(u.Unit(si)):
            raise DataError(
                "the spectral axis has a wrong unit",
                file=file,
                expected=expected,
                found=repr(self.unit),
                advice="Set wavelength_unit in [read.generic] to the unit of the numbers",
            )
        with np.errstate(all="ignore"):
            wavelength_um = self._in_um(values, kind, unit, file)
        if kind == "AWAV" or (not self.kind and kind == "WAVE" and self.medium == "air"):
            return air_to_vacuum_um(wavelength_um)
        return wavelength_um

    def _in_um(self, values: Floats, kind: str, unit: u.UnitBase, file: str | Path) -> Floats:
        if kind not in _RELATIVE:
            if kind in ("WAVE", "AWAV"):
                return values * unit.to(u.um)
            return np.asarray((values * unit).to_value(u.um, u.spectral()))
        if not self.rest_um > 0:
            raise DataError(
                f"velocities ({kind}) on the spectral axis without the line they are of",
                file=file,
                expected="RESTFRQ (Hz) or RESTWAV (m) in the header",
                found="neither",
            )
        beta = values if kind in ("ZOPT", "BETA") else values * unit.to(u.km / u.s) / LIGHT_KM_S
        return self.rest_um * _OVER_REST[kind](beta)


def air_to_vacuum_um(air_um: ArrayLike) -> Floats:
    """Vacuum wavelength of a wavelength in standard air, above 0.2 micron.

    The refractive index is that of Birch & Downs (1994) as adopted by Morton (2000, ApJS 130,
    403, equation 8). It is a function of the vacuum wavelength, hence the iteration.
    """
    air_um = np.asarray(air_um, dtype=np.float64)
    vacuum_um = air_um
    for _ in range(3):
        s2 = vacuum_um**-2.0
        index = 1 + 8.34254e-5 + 2.406147e-2 / (130 - s2) + 1.5998e-4 / (38.9 - s2)
        vacuum_um = air_um * index
    return vacuum_um


def is_logarithm(text: str) -> bool:
    """Whether a unit is written as that of a logarithm, as "log10(Angstrom)"."""
    match = _LOGARITHM.fullmatch(text)
    return match is not None and bool(match["unit"].strip())


def _without_logarithm(values: Floats, unit: str) -> tuple[Floats, str]:
    if not is_logarithm(unit):
        return values, unit
    match = _LOGARITHM.fullmatch(unit)
    assert match is not None
    base = match["base"].lower()
    natural = base == "ln" or (base == "log" and values.size > 0 and values.min() > LARGEST_LOG10)
    with np.errstate(over="ignore"):
        numbers = np.exp(values) if natural else 10.0**values
    return numbers, match["unit"]


def _dimensionless(text: str) -> u.UnitBase | None:
    return u.dimensionless_unscaled if not text.strip() else None
