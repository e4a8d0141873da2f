"""Converts units as observatories write them to units of astropy."""

from __future__ import annotations

import re
import warnings
from math import log, pi, radians
from pathlib import Path

from astropy import units as u
from astropy.io import fits

from survey.errors import DataError, SurveyWarning

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
    r"(?i:\bnanomet(?:er|re)s?\b)": "nm",
    r"(?i:\bmillimet(?:er|re)s?\b)": "mm",
    r"(?i:\bmicromet(?:er|re)s\b)": "um",
    r"(?i:\bcounts?\b)": "ct",
    r"^\s*[xX*]\s*(?=10)": "",
    r"^\s*1(?:\.0*)?\s*[xX]\s*(?=10)": "",
    r"^\((1e[-+]?\d+)\)": r"\1",
    r"^(1(?:\.0*)?[eE][-+]?\d+)\s*[xX]\s": r"\1 ",
    r"^\s*(?=[eE]-\d)": "1",
    r"\^\{([-+]?\d+)\}": r"^(\1)",
    r"(?i:\s+per\s+)": "/",
    r"(?i:\bmicrojy\b)": "uJy",
    r"(?i:\bmillijy\b)": "mJy",
    r"(?i:\bster(?:adians?)?\b)": "sr",
}

_IN_BRACKETS = re.compile(r"(?:\((.*)\)|\[([^\[\]]*)\])\s*(?:(?:\^|\*\*)\s*\(?(-?[12])\)?)?")

# In capitals throughout, or the like; names whose case matters otherwise ("mJy", "MJy") are not.
_CASELESS = {
    name.lower(): name
    for name in ("erg", "s", "cm", "m", "Angstrom", "um", "nm", "Hz", "sr", "arcsec", "W", "Jy")
} | {
    "pixel": "pixel",
    "pix": "pix",
    "beam": "beam",
    "adu": "adu",
    "dn": "DN",
    "mjy": "MJy",
    "ghz": "GHz",
    "thz": "THz",
    "ev": "eV",
    "kev": "keV",
}

_COUNTS = ("adu", "ct", "electron", "DN", "ph")
_CALIBRATE = (
    "Counts have to be calibrated; where relative fluxes are enough, set read.reader = "
    '"generic" and any flux_unit in [read.generic]'
)
_OTHER_UNIT = "Brightness temperatures have to be converted, to Jy/beam for example"

_PER_WAVELENGTH = u.Unit(1e3 * u.erg / (u.s * u.cm**2 * u.AA))
_PER_FREQUENCY = u.Unit(1e12 * u.Jy)
_TOO_LARGE = (
    *(_PER_WAVELENGTH, _PER_FREQUENCY),
    *(_PER_WAVELENGTH / u.arcsec**2, _PER_FREQUENCY / u.arcsec**2),
)
"""Sirius is 1e-8 erg / (s cm2 Angstrom). Numbers in a unit without a factor may be small."""

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
    spelled, power = _without_brackets(text.strip())
    for pattern, name in _SPELLINGS.items():
        spelled = re.sub(pattern, name, spelled)
    unit = _read(spelled) or _read(_other_case(spelled))
    unit = unit if unit is None or power == 1 else u.Unit(unit**power)
    if unit is None:
        raise DataError(
            f"unknown unit of the {what}",
            file=file,
            expected='a unit such as "MJy/sr" or "um"',
            found=repr(text),
            advice=f'Set read.reader = "generic" and {what.split()[0]}_unit in [read.generic]',
        )
    return unit


def _without_brackets(text: str) -> tuple[str, int]:
    """The unit inside brackets around all of it, and the power behind them."""
    found = _IN_BRACKETS.fullmatch(text)
    if found is None:
        return text, 1
    inside = found[1] if found[1] is not None else found[2]
    depth = 0
    for sign in inside:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return text, 1
    return inside, int(found[3] or 1)


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
        if written.lower() == "mjy" and written.startswith("m"):
            return written if written == "mjy" else "mJy"
        return _CASELESS.get(written.lower(), written)

    return re.sub(r"[A-Za-z]+", name, text)


def flux_unit(text: str, *, file: str | Path, header: fits.Header | None = None) -> str:
    """A flux unit in astropy's own spelling; "per spaxel" is dropped, as it is understood.

    "Per beam" becomes "per steradian" by the beam in the header (BMAJ and BMIN, in degrees). A unit
    far too large for any source, such as 1e+16 for 1e-16, is a warning.

    Raises
    ------
    DataError
        If it is neither a flux density nor a surface brightness, or the beam is not known.
    """
    unit = parse_unit(text, file=file, what="flux")
    if u.pix in unit.bases:
        unit = unit * u.pix
    if u.beam in unit.bases:
        unit = u.Unit(unit * u.beam / (_beam_sr(header, file) * u.sr))
    if not any(u.get_physical_type(unit) == flux_type for flux_type in _FLUX_TYPES):
        counts = any(str(base) in _COUNTS for base in unit.bases)
        raise DataError(
            "the flux has a wrong unit",
            file=file,
            expected='a flux density or surface brightness such as "MJy/sr"',
            found=repr(text),
            advice=_CALIBRATE if counts else _OTHER_UNIT if unit.is_equivalent(u.K) else None,
        )
    if unit.scale > 1 and any(unit.is_equivalent(large) and unit > large for large in _TOO_LARGE):
        warnings.warn(
            f"{file}: the unit of the flux, {text!r}, is larger than any source: is the sign of "
            "its exponent right? If not, set read.reader = "
            '"generic" and flux_unit in [read.generic]',
            SurveyWarning,
            stacklevel=2,
        )
    return unit.to_string()


def _beam_sr(header: fits.Header | None, file: str | Path) -> float:
    """Solid angle of the Gaussian beam in a header."""
    written = [header.get(name) if header is not None else None for name in ("BMAJ", "BMIN")]
    axes = [float(axis) for axis in written if isinstance(axis, int | float) and axis > 0]
    if len(axes) != 2:
        raise DataError(
            "the flux is per beam, and the beam is not in the header",
            file=file,
            expected="BMAJ and BMIN, in degrees",
            found=", ".join(f"{axis!r}" for axis in written),
            advice="Convert the cube to one beam, and to Jy/pixel",
        )
    major, minor = (radians(axis) for axis in axes)
    return pi / (4 * log(2)) * major * minor
