"""Holds wavelengths against the range of their instrument: wrong units show here.

A cube whose axis was misread has no line in it, and a run over it would say nothing but that.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalogs.errors import CatalogError
from catalogs.reference import packaged_reference
from survey.cubes.axes.conversion import Medium, SpectralValues
from survey.errors import DataError
from survey.spectra.constants import LIGHT_KM_S
from survey.spectra.grid import check_finer

ANY_INSTRUMENT_UM = (0.09, 1000.0)
"""Wavelengths that a cube of stars and gas may have, from the Lyman limit to the submillimetre."""

RADIO_UM = (0.09, 3e7)
"""The same of axes in frequencies or velocities, up to 30 m."""

MARGIN = 2.0
"""An instrument may reach this factor beyond its listed range: by its modes."""

LEAST_STEP_KM_S = 0.01
"""A hundredth of a channel of the finest spectrographs in use, radio receivers included."""

_RADIO_KINDS = ("FREQ", "VRAD", "VOPT", "VELO", "ZOPT", "BETA")
_USUAL_UM = (0.3, 40.0)
_SUSPECTS = (
    *("Angstrom", "nm", "um", "m", "log10(Angstrom)", "ln(Angstrom)"),
    *("Hz", "GHz", "THz", "cm-1", "eV", "log10(um)", "log10(m)", "mm"),
)


_LENGTHS = ("Angstrom", "nm", "um", "m", "mm")


def possible_range_um(instrument: str) -> tuple[float, float]:
    """Shortest and longest wavelength that a cube of an instrument can have."""
    listed = packaged_reference().instruments.get(instrument)
    if listed is None:
        return ANY_INSTRUMENT_UM
    ends = [end for segment in listed.segments for end in segment.range_um]
    return min(ends) / MARGIN, max(ends) * MARGIN


def medium_of(instrument: str) -> Medium:
    """What the wavelengths of an instrument are in where the header does not say."""
    listed = packaged_reference().instruments.get(instrument)
    return "vacuum" if listed is None else listed.wavelength_medium


def check_possible(
    wavelength_um: NDArray[np.float64],
    instrument: str,
    *,
    numbers: NDArray[np.float64] | None = None,
    unit: str = "um",
    kind: str = "",
    file: str | Path,
) -> None:
    """Check that wavelengths are some that the instrument can have.

    Parameters
    ----------
    wavelength_um : ndarray, shape (wavelength,)
        Vacuum, observed frame.
    instrument : str
        As in the table of instruments; of one that is not listed, the range is wide.
    numbers, unit : ndarray, str, optional
        The axis as in the file, and the unit it was read in; to name the unit that would fit.
    kind : str
        That of the axis; frequencies and velocities may be radio cubes.
    file : str or Path
        For messages.

    Raises
    ------
    DataError
        If a wavelength is out of the range, or steps are finer than those of any spectrograph, or
        very uneven.
    """
    low, high = possible_range_um(instrument)
    if (low, high) == ANY_INSTRUMENT_UM and kind in _RADIO_KINDS:
        low, high = RADIO_UM
    with np.errstate(invalid="ignore"):
        inside = (wavelength_um >= low) & (wavelength_um <= high)
    if inside.all():
        _check_steps(wavelength_um, instrument, file)
        return
    numbers = wavelength_um if numbers is None else np.asarray(numbers, dtype=np.float64)
    usual = (low, high) if instrument in packaged_reference().instruments else _USUAL_UM
    suspects = suspected_units(numbers, usual, unit)
    if not suspects:
        hint = "Look at CRVAL, CDELT, CRPIX and CUNIT of the spectral axis"
    else:
        hint = (
            f"The numbers of the axis, {numbers[0]:.6g} to {numbers[-1]:.6g}, were read in "
            f"{unit or 'no unit'}; they would fit in {' or '.join(suspects[:2])}. If so, set "
            f'read.reader = "generic" and wavelength_unit = "{suspects[0]}" in [read.generic]'
        )
    raise DataError(
        f"the wavelengths cannot be those of {instrument or 'a cube'}",
        file=file,
        expected=f"{low:g} to {high:g} micron",
        found=f"{wavelength_um.min():.6g} to {wavelength_um.max():.6g} micron",
        advice=hint,
    )


def suspected_units(
    numbers: NDArray[np.float64], range_um: tuple[float, float] = _USUAL_UM, written: str = ""
) -> list[str]:
    """Units in which the numbers of an axis would be wavelengths inside a range.

    Logarithms of the unit that was written come first: 3.8 "Angstrom" are rarely micron.
    """
    logarithms = [f"{base}({written})" for base in ("log10", "ln") if written in _LENGTHS]
    names = dict.fromkeys([*logarithms, *_SUSPECTS])
    return [name for name in names if _fits(numbers, name, range_um)]


def _check_steps(wavelength_um: NDArray[np.float64], instrument: str, file: str | Path) -> None:
    if wavelength_um.size < 2:
        return
    step_km_s = float(np.median(np.abs(np.diff(wavelength_um)) / wavelength_um[:-1])) * LIGHT_KM_S
    if step_km_s < LEAST_STEP_KM_S:
        raise DataError(
            f"the wavelength steps cannot be those of {instrument or 'a cube'}",
            file=file,
            expected=f"{LEAST_STEP_KM_S:g} km/s or more",
            found=f"{step_km_s:.3g} km/s, from {wavelength_um[0]:.8g} to "
            f"{wavelength_um[-1]:.8g} micron",
            advice="Look at CDELT, CD and PC of the spectral axis",
        )
    step_um = float(np.median(np.abs(np.diff(wavelength_um))))
    check_finer(float(np.ptp(wavelength_um)) / step_um, wavelength_um.size, file=str(file))


def _fits(numbers: NDArray[np.float64], unit: str, usual_um: tuple[float, float]) -> bool:
    try:
        found = SpectralValues(numbers, unit).vacuum_um(file="")
    except (DataError, CatalogError):
        return False
    with np.errstate(invalid="ignore"):
        return bool(((found >= usual_um[0]) & (found <= usual_um[1])).all())
