"""A guess at `[read.generic]` for a cube that no reader recognises, from names and headers."""

from __future__ import annotations

import json
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.io import fits

from survey.config import GenericReaderSettings
from survey.cubes.axes.conversion import Floats
from survey.cubes.axes.layout import layout_of, shape_of
from survey.cubes.axes.possible import medium_of, suspected_units
from survey.cubes.read_fits import FitsFile
from survey.cubes.readers.error_units import kind_by_unit
from survey.cubes.units import flux_unit, parse_unit
from survey.cubes.wavelength import (
    axis_numbers,
    wavelength_axis_um,
    wavelength_extension_um,
    wavelength_extensions,
)
from survey.cubes.wcs import celestial_header
from survey.errors import DataError, SurveyWarning

# Names of extensions, whole or as a part between other signs ("IFU.1.DATA").
_FLUX = ("SCI", "DATA", "FLUX", "CUBE", "IMAGE", "PRIMARY", "SIGNAL", "SPECTRUM")
_ERRORS = {
    "sigma": "ERR ERROR ERRORS NOISE UNCERT UNCERTAINTY SIGMA STD STDDEV STDEV RMS",
    "variance": "VAR VARIANCE STAT",
    "inverse-variance": "IVAR INVVAR",
}
_MASKS = ["DQ", "QUALITY", "MASK", "BADPIX", "BPM", "FLAGS", "FLAG", "MSK"]
_OTHERS = "EXP EXPOSURE COVERAGE FIBCOVER WMAP WEIGHT MODEL SKY NOSKYSUB TRANSMISSION UNCORRECTED"
_CLASSES = {"MSE": "variance", "RMSE": "sigma", "INVMSE": "inverse-variance", "INVRMSE": ""}
"""HDUCLAS3 of errors in the ESO science data products standard."""

_UNCERTAINTIES = {"STD": "sigma", "VAR": "variance", "IVAR": "inverse-variance"} | {
    "STDDEVUNCERTAINTY": "sigma",
    "VARIANCEUNCERTAINTY": "variance",
    "INVERSEVARIANCE": "inverse-variance",
}
"""UTYPE of errors as astropy.nddata writes them."""

_UNIT_CARDS = ("PIPE UNITS", "FLUXUNIT", "UNITS", "UNIT")
_INSTRUMENTS = {"MIRI": "MIRI/MRS", "NIRSPEC": "NIRSpec/IFU", "AAOMEGA-SAMI": "SAMI"}
"""INSTRUME of instruments that have another name in instruments.toml."""

_PLACEHOLDERS = (-99.0, -999.0, -9999.0, -99999.0, -32768.0, -2147483648.0, 1e20, -1e30, -1e33)
"""Fluxes that many programs write where there are none."""

_OFTEN = 0.01
"""The share of a plane that a placeholder is in at least: no noise hits one number so often."""

_AIR_BELOW_UM = 1.0
"""Ground-based spectra at shorter wavelengths are often in air."""


@dataclass
class Guess:
    """The settings with the reason for each, and lines for what could not be guessed."""

    values: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)

    def add(self, name: str, value: Any, reason: str) -> None:
        """Take a value for a setting."""
        self.values[name] = value
        self.reasons[name] = reason

    @property
    def settings(self) -> GenericReaderSettings:
        """The guesses as settings."""
        return GenericReaderSettings(**self.values)

    def toml(self) -> str:
        """The table to paste into a settings file."""
        lines = [
            f"{name} = {json.dumps(value)}  # {self.reasons[name]}"
            for name, value in self.values.items()
        ]
        return (
            "\n".join(["[read.generic]", *lines, *(f"# {line}" for line in self.questions)]) + "\n"
        )


def guess_settings(fits_file: FitsFile) -> Guess:
    """What the settings of the generic reader may be for a file.

    Raises
    ------
    DataError
        If the file has no cube.
    """
    guess, headers = Guess(), fits_file.headers()
    number, *more = _fluxes(headers, fits_file)
    flux = _name(headers, number)
    guess.add("flux", flux, _reason(headers, number))
    if more:
        names = ", ".join(str(_name(headers, index)) for index in more)
        guess.questions.append(f"flux = ...  # other cubes in the file: {names}")
    others = [index for index in range(len(headers)) if index != number]
    _guess_error(guess, headers, number, others)
    _guess_mask(guess, headers, number, others)
    instrument = _text(headers, number, "INSTRUME") or _text(headers, number, "TELESCOP")
    if instrument:
        guess.add("instrument", _INSTRUMENTS.get(instrument, instrument), "INSTRUME in the header")
    _guess_wavelengths(guess, fits_file, flux, headers[number])
    _guess_unit(guess, fits_file, headers[number])
    _guess_missing_values(guess, fits_file, flux)
    if not celestial_header(layout_of(headers[number]).header, file=fits_file.path):
        guess.questions.append(
            "spaxel_area_arcsec2 = ...  # the header has no celestial coordinates: give it"
        )
    return guess


def _fluxes(headers: list[fits.Header], fits_file: FitsFile) -> list[int]:
    """Extensions that may have the flux, the likeliest first."""
    cubes = [index for index, header in enumerate(headers) if _shape(header) is not None]
    if not cubes:
        raise DataError(
            "no cube in the file",
            file=fits_file.path,
            expected="an image with three axes",
            found=", ".join(f"{header.get('NAXIS', 0)} axes" for header in headers),
        )
    beside = {word for words in _ERRORS.values() for word in words.split()}
    beside |= {*_MASKS, *_OTHERS.split()}
    named = [index for index in cubes if not beside & _words(headers[index])] or cubes[:1]

    def place(index: int) -> int:
        found = [_FLUX.index(word) for word in _words(headers[index]) if word in _FLUX]
        return min(found, default=len(_FLUX))

    return sorted(named, key=place)


def _guess_error(guess: Guess, headers: list[fits.Header], number: int, others: list[int]) -> None:
    """An error of the same shape, by the standard of ESO or by its name."""
    shape = _image_shape(headers[number])
    same = [index for index in others if _image_shape(headers[index]) == shape]
    by_class = str(headers[number].get("ERRDATA", "")).strip().upper()
    for index in same:
        name = str(headers[index].get("EXTNAME", "")).strip().upper()
        kind = _CLASSES.get(str(headers[index].get("HDUCLAS3", "")).strip().upper(), "")
        if kind and (name == by_class or headers[index].get("HDUCLAS2") == "ERROR"):
            guess.add("error", _name(headers, index), "HDUCLAS2 in its header")
            guess.add("error_is", kind, "HDUCLAS3 in its header")
            return
    for kind, words in _ERRORS.items():
        for index in same:
            if set(words.split()) & _words(headers[index]):
                guess.add("error", _name(headers, index), _reason(headers, index))
                guess.add("error_is", *_kind_of_error(headers[index], headers[number], kind))
                return


def _kind_of_error(error: fits.Header, flux: fits.Header, named: str) -> tuple[str, str]:
    """What errors are, and why: what astropy wrote (UTYPE), their unit, or else their name."""
    written = _UNCERTAINTIES.get(str(error.get("UTYPE", "")).strip().upper())
    if written is not None:
        return written, "UTYPE in its header"
    units = [str(header.get("BUNIT", "")).strip() for header in (error, flux)]
    by_unit = kind_by_unit(*units)
    if by_unit is not None and units[0] != units[1]:
        return by_unit, "BUNIT in its header"
    return named, "by its name: compare it with the noise"


def _guess_mask(guess: Guess, headers: list[fits.Header], number: int, others: list[int]) -> None:
    cube = _shape(headers[number])
    shapes = (_image_shape(headers[number]), None if cube is None else cube[1:])
    fitting = [index for index in others if _image_shape(headers[index]) in shapes]
    for wanted in _MASKS:
        for index in fitting:
            if wanted in _words(headers[index]):
                guess.add("mask", _name(headers, index), _reason(headers, index))
                guess.questions.append(
                    "mask_bits = [0]  # if only some bits of the mask mean missing data"
                )
                return


def _guess_wavelengths(
    guess: Guess, fits_file: FitsFile, flux: str | int, header: fits.Header
) -> None:
    wavelength_um: Floats | None
    try:
        wavelength_um = wavelength_axis_um(fits_file, flux)
    except DataError as error:
        wavelength_um = _beside(guess, fits_file, header)
        if wavelength_um is None:
            wavelength_um = _other_unit(guess, fits_file, flux, layout_of(header).header)
        if wavelength_um is None:
            guess.questions.append(
                f'wavelength = "..."  # not in the header ({error.message}): give the place'
            )
            return
    kind = str(layout_of(header).header.get("CTYPE3", "")).upper().partition("-")[0].strip()
    if kind in ("WAVE", "AWAV"):
        return
    if medium_of(str(guess.values.get("instrument", ""))) == "air":
        guess.add("wavelength_medium", "air", "as all cubes of the instrument")
    elif wavelength_um.min() < _AIR_BELOW_UM:
        guess.questions.append('wavelength_medium = "air"  # the header does not say')


def _beside(guess: Guess, fits_file: FitsFile, header: fits.Header) -> Floats | None:
    """Wavelengths of an extension that by its name has them."""
    shape = _shape(header)
    for name in wavelength_extensions(fits_file):
        for unit in (None, "Angstrom", "um", "nm"):
            try:
                found = wavelength_extension_um(fits_file, name, unit=unit)
            except DataError:
                continue
            if shape is not None and found.size == shape[0] and (unit is None or _is_usual(found)):
                guess.add("wavelength", name, "by its name")
                if unit is not None:
                    guess.add("wavelength_unit", unit, "by its numbers")
                return found
    return None


def _is_usual(wavelength_um: Floats) -> bool:
    return "um" in suspected_units(wavelength_um)


def _other_unit(
    guess: Guess, fits_file: FitsFile, flux: str | int, header: fits.Header
) -> Floats | None:
    """The axis of the header in the unit that its numbers fit."""
    try:
        numbers = axis_numbers(fits_file, flux)
    except DataError:
        return None
    read: dict[str, Floats] = {}
    written = str(header.get("CUNIT3", "")).strip()
    with suppress(DataError):
        written = str(parse_unit(written, file="", what="wavelength axis"))
    if "LOG" in f"{written} {header.get('CTYPE3', '')}".upper():
        written = "Angstrom"
    for unit in suspected_units(numbers, written=written):
        with suppress(DataError):
            read[unit] = wavelength_axis_um(fits_file, flux, unit=unit)
    if not read:
        return None
    first, *others = read
    reason = f"{numbers[0]:.6g} to {numbers[-1]:.6g} fit"
    if others:
        reason += f"; {' or '.join(others)} would too"
    guess.add("wavelength_unit", first, reason)
    return read[first]


def _guess_unit(guess: Guess, fits_file: FitsFile, header: fits.Header) -> None:
    reason = "BUNIT is missing"
    for keyword in ("BUNIT", *_UNIT_CARDS):
        for source in (header, fits_file.primary):
            written = str(source.get(keyword, "")).strip()
            if not written:
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", SurveyWarning)
                    flux_unit(written, file=fits_file.path, header=header)
            except DataError as error:
                if keyword == "BUNIT":
                    reason = f"BUNIT is {written!r}: {error.message}"
                continue
            if keyword != "BUNIT" or source is not header:
                guess.add("flux_unit", written, f"{keyword} in the header")
            return
    guess.questions.append(f'flux_unit = "..."  # {reason}: give it')


def _guess_missing_values(guess: Guess, fits_file: FitsFile, flux: str | int) -> None:
    """Numbers that stand for missing data by their size, if the middle plane has them often."""
    image = layout_of(fits_file.header(flux)).image(fits_file, flux, np.float32)
    plane = image.shape[0] // 2
    values, counts = np.unique(image[plane : plane + 1, :, :], return_counts=True)
    often = values[(counts > 1) & (counts >= _OFTEN * counts.sum())]
    found = [value for value in _PLACEHOLDERS if np.float32(value) in often]
    if found:
        guess.add("missing_values", found, "often the flux in the middle of the cube")


def _shape(header: fits.Header) -> tuple[int, ...] | None:
    """Wavelengths, y and x if it is a cube with more than one plane."""
    if header.get("XTENSION", "IMAGE").strip() != "IMAGE":
        return None
    shape = shape_of(header)
    return shape if len(shape) == 3 and shape[0] > 1 else None


def _image_shape(header: fits.Header) -> tuple[int, ...]:
    """The axes of an image as in the file, but those of length 1; () if it is none."""
    if header.get("XTENSION", "IMAGE").strip() != "IMAGE":
        return ()
    sizes = (int(header[f"NAXIS{axis}"]) for axis in range(int(header.get("NAXIS", 0)), 0, -1))
    return tuple(size for size in sizes if size > 1)


def _words(header: fits.Header) -> set[str]:
    """The parts of the name of an extension, in capitals."""
    return set(re.split(r"[^A-Z]+", str(header.get("EXTNAME", "")).upper())) - {""}


def _name(headers: list[fits.Header], number: int) -> str | int:
    """The name of an extension, or its number where the name does not say which it is."""
    names = [str(header.get("EXTNAME", "")).strip().upper() for header in headers]
    return names[number] if names[number] and names.count(names[number]) == 1 else number


def _reason(headers: list[fits.Header], number: int) -> str:
    return "by its name" if _words(headers[number]) else "the first cube in the file"


def _text(headers: list[fits.Header], number: int, keyword: str) -> str:
    texts = (str(header.get(keyword, "")).strip() for header in (headers[number], headers[0]))
    return next(filter(None, texts), "")
