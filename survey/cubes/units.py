"""Converts units as observatories write them to units of astropy."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from astropy import units as u

from survey.errors import DataError

# Spellings found in cubes that astropy does not read, or reads as something else ("A" is ampere).
_SPELLINGS = {
    r"\bA\b|(?i:\bang(?:strom)?s?\b)": "Angstrom",
    r"(?i:\bmicrons?\b|\bmicrometers?\b)": "um",
    r"(?i:\bspaxels?\b)": "pixel",
    r"(?i:\bergs?(?![a-z]))": "erg",
    r"(?i:\bFLAM(\d\d)\b)": r"10**-\1*erg/(s*cm2*Angstrom)",
    r"(?i:\bFLAM\b)": "erg/(s*cm2*Angstrom)",
    r"(?i:\bFNU\b)": "erg/(s*cm2*Hz)",
    r"(?i:\bsecs?\b|\bseconds?\b)": "s",
    r"(?i:\bsq\.? ?arcsecs?\b|\barcsec(?:onds?)?\^2|\bsqarcsec\b)": "arcsec2",
    r"(?i:\bjansky?s?\b)": "Jy",
}

# In capitals throughout, or the like; names whose case matters otherwise ("mJy", "MJy") are not.
_CASELESS = {
    name.lower(): name
    for name in ("erg", "s", "cm", "m", "Angstrom", "um", "nm", "Hz", "sr", "arcsec", "W", "Jy")
} | {
    "pixel": "pixel",
    "pix": "pix",
    "mjy": "MJy",
    "ghz": "GHz",
    "thz": "THz",
    "ev": "eV",
    "kev": "keV",
}

_FLUX_TYPES = (
    "spectral flux density",
    "spectral flux density wav",
    "surface brightness",
    "surface brightness wav",
)


def parse_unit(text: object, *, file: str | Path, what: str) -> u.UnitBase:
    """The unit written in a header.

    Raises
    ------
    DataError
        If the text is empty or no unit; `what` says what it should have been the unit of.
    """
    text = "" if text is None else str(text)  # a card may be blank, or hold a number
    spelled = text
    for pattern, name in _SPELLINGS.items():
        spelled = re.sub(pattern, name, spelled)
    unit = _read(spelled) or _read(_other_case(spelled))
    if unit is None:
        raise DataError(
            f"unknown unit of the {what}",
            file=file,
            expected='a unit such as "MJy/sr" or "um"',
            found=repr(text),
            advice='Give it in the settings of the generic reader, and set reader = "generic"',
        )
    return unit


def _read(text: str) -> u.UnitBase | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)
            return u.Unit(text) if text.strip() else None
    except ValueError:
        return None


def _other_case(text: str) -> str:
    """The text with the names of units as astropy spells them; "mjy" could be two, and stays."""

    def name(match: re.Match[str]) -> str:
        written = match.group()
        return written if written == "mjy" else _CASELESS.get(written.lower(), written)

    return re.sub(r"[A-Za-z]+", name, text)


def flux_unit(text: str, *, file: str | Path) -> str:
    """A flux unit in astropy's own spelling; "per spaxel" is dropped, as it is understood.

    Raises
    ------
    DataError
        If it is neither a flux density nor a surface brightness.
    """
    unit = parse_unit(text, file=file, what="flux")
    if u.pix in unit.bases:
        unit = unit * u.pix
    if not any(u.get_physical_type(unit) == flux_type for flux_type in _FLUX_TYPES):
        raise DataError(
            "the flux has a wrong unit",
            file=file,
            expected='a flux density or surface brightness such as "MJy/sr"',
            found=repr(text),
        )
    return unit.to_string()
