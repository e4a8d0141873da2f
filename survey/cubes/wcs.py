"""Celestial coordinates of spaxels.

A cube keeps its celestial coordinates as the text of a small FITS header, not as a WCS object,
because text can be stored, sent and compared. Without celestial axes the text is empty.
"""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area
from numpy.typing import ArrayLike, NDArray

from survey.cubes.files.headers import card_number
from survey.errors import DataError

_KEYWORDS = re.compile(
    r"(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA)[12]|(PC|CD)[12]_[12]|(PC|CD)00[12]00[12]|PV[12]_\d+"
    r"|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX|EPOCH"
)
_DISTORTION = re.compile(r"(A|B|AP|BP)_(ORDER|\d_\d)")
"""Of SIP. They count if CTYPE says so: CUBISM leaves those of the detector in headers of cubes."""
_OLD_NAMES = {"RADECSYS": "RADESYS", "EPOCH": "EQUINOX"} | {
    f"{matrix}00{i}00{j}": f"{matrix}{i}_{j}" for matrix in ("PC", "CD") for i in "12" for j in "12"
}
"""Names of cards before the standard of 2002, and those of today."""
CELESTIAL = re.compile(r"RA-|RA$|DEC-|DEC$|.LON|.LAT|.[NL]LN|.[NL]LT", re.I)
"""Start of CTYPE of a celestial axis."""
_AXIS = re.compile(r"(RA|DEC|[GES]LON|[GES]LAT)-+([A-Z]{3}(?:-SIP)?)")
"""CTYPE with its projection, after any number of dashes: the standard wants eight characters."""
_AS_TYPED = str.maketrans({"\u2212": "-", "\u2032": "'", "\u2033": '"', "\u00a0": " "})
"""Minus signs, primes and blanks of typeset text, as keyboards have them."""
_DEGREES = re.compile(r"deg(ree)?s?\.?", re.I)


def celestial_header(header: fits.Header, *, file: str | Path) -> str:
    """Text of the header of the celestial axes of a cube (axes 1 and 2), or "" without such.

    Axes whose value, pixel or increment is missing or blank are none: the standard's defaults, such
    as spaxels of one degree, are never meant. Only the keywords of the two axes are used, so that a
    tabulated wavelength axis, which astropy cannot open without the file, does no harm.

    Raises
    ------
    DataError
        If the axes are said to be celestial but are not valid.
    """
    plane = fits.Header()
    for card in header.cards:
        if _KEYWORDS.fullmatch(card.keyword) and not _is_blank(card.value):
            keyword = _OLD_NAMES.get(card.keyword, card.keyword)
            if keyword == card.keyword or keyword not in header:
                plane[keyword] = card.value
    if all(str(plane.get(f"CTYPE{axis}", "")).strip().endswith("-SIP") for axis in "12"):
        plane.update((k, v) for k, v in header.items() if _DISTORTION.fullmatch(k))
    if not _is_complete(plane):
        return ""
    if any(CELESTIAL.match(str(plane.get(f"CTYPE{axis}", "")).strip()) for axis in "12"):
        for keyword, value in list(plane.items()):
            plane[keyword] = _plain_value(keyword, value, plane, file)
    matrices = {keyword[:2] for keyword in plane if re.fullmatch("(CD|PC)[12]_[12]", keyword)}
    superseded = ["CROTA1", "CROTA2"] if matrices else []
    if "CD" in matrices:
        superseded += ["CDELT1", "CDELT2", "PC1_1", "PC1_2", "PC2_1", "PC2_2"]
    for keyword in superseded:
        plane.remove(keyword, ignore_missing=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            wcs = WCS(plane, naxis=2)
            wcs.wcs.set()
            if not wcs.has_celestial:
                return ""
            if not isinstance(wcs.pixel_to_world(0, 0), SkyCoord):
                raise ValueError(f"unknown reference frame {wcs.wcs.radesys!r}")
            written = wcs.to_header(relax=wcs.sip is not None)
            return header_text(_longitude_first(written, wcs.wcs.lng))
    except (ValueError, TypeError, AttributeError) as error:  # also of cards that hold numbers
        raise DataError(
            "the celestial coordinates are not valid",
            file=file,
            expected="two axes as the FITS standard for celestial coordinates defines them",
            found=" ".join(str(error).split()),
        ) from error


def _plain_value(keyword: str, value: object, plane: fits.Header, file: str | Path) -> object:
    """The value of a card as astropy needs it.

    Of numbers written as text astropy says nothing, and takes the default: they become numbers.
    Reference positions may be sexagesimal, right ascensions then in hours.
    """
    if not isinstance(value, str) or keyword.startswith("RADESYS"):
        return value
    if keyword.startswith("CTYPE"):
        known = _AXIS.fullmatch(value.strip())
        return f"{known[1]:-<4}-{known[2]}" if known else value
    if keyword.startswith("CUNIT"):
        return "deg" if _DEGREES.fullmatch(value.strip()) else value
    if keyword == "EQUINOX":
        value = value.strip().lstrip("JBjb")
    with suppress(ValueError):
        return card_number(value)
    is_ra = str(plane.get(f"CTYPE{keyword[-1]}", "")).startswith("RA")
    number = angle_deg(value, is_ra=is_ra) if keyword.startswith("CRVAL") else float("nan")
    if np.isnan(number):
        raise DataError(
            f"{keyword} in the header is not a number",
            file=file,
            expected="a finite number",
            found=repr(value),
        )
    return number


def _is_blank(value: object) -> bool:
    return isinstance(value, fits.card.Undefined) or not str(value).strip()


def _is_complete(plane: fits.Header) -> bool:
    """Whether there is a reference position, a reference pixel and a scale."""
    reference = all(f"{name}{axis}" in plane for name in ("CRVAL", "CRPIX") for axis in "12")
    return reference and (
        ("CDELT1" in plane and "CDELT2" in plane)
        or any(key.startswith("CD") and key[2].isdigit() for key in plane)
    )


def _longitude_first(header: fits.Header, longitude: int) -> fits.Header:
    """The header of two celestial axes with the longitude as world axis 1; pixels stay."""
    if longitude == 0:
        return header
    swapped, other = header.copy(), {"1": "2", "2": "1"}
    for keyword in list(header):
        match = re.fullmatch(r"(CTYPE|CUNIT|CRVAL|CDELT|PC|PV)([12])(|_\d+)", keyword)
        if match is not None:
            del swapped[keyword]
    for card in header.cards:
        match = re.fullmatch(r"(CTYPE|CUNIT|CRVAL|CDELT|PC|PV)([12])(|_\d+)", card.keyword)
        if match is not None:
            name, axis, index = match.groups()
            swapped[f"{name}{other[axis]}{index}"] = (card.value, card.comment)
    # An element of the matrix that is not given is that of the unit matrix, before the swap.
    for row in (1, 2):
        for column in (1, 2):
            default = 0.0 if row == column else 1.0
            swapped.setdefault(f"PC{row}_{column}", default)
    return swapped


def header_text(header: fits.Header) -> str:
    """A header as text, one card a line."""
    return header.tostring(sep="\n", endcard=False, padding=False)


def read_header(text: str) -> fits.Header:
    """The header a text was made of."""
    return fits.Header.fromstring(text, sep="\n")


def celestial_wcs(celestial: str) -> WCS:
    """The WCS object of a celestial header text, which must not be empty."""
    return WCS(read_header(celestial))


# A galaxy asks for positions some ten times. Not for callers, who may change what they get.
_known_wcs = lru_cache(maxsize=8)(celestial_wcs)


def sky_position(
    celestial: str, x: ArrayLike, y: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right ascension and declination (ICRS, degrees) of spaxels.

    Parameters
    ----------
    celestial : str
        Text of the celestial header; if empty, the positions are NaN.
    x, y : array_like
        Zero-based spaxel coordinates; whole numbers are centres.
    """
    x, y = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(y, dtype=float))
    if not celestial:
        return np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    position = _known_wcs(celestial).pixel_to_world(x, y).icrs
    return np.asarray(position.ra.deg), np.asarray(position.dec.deg)


def is_on_cube(celestial: str, shape_yx: tuple[int, int], ra_deg: float, dec_deg: float) -> bool:
    """Whether a position is one, and lies on a spaxel of a cube.

    Without celestial coordinates the latter is not known; then (0, 0), which headers have
    where nothing was filled in, is no position.

    Parameters
    ----------
    celestial : str
        Text of the celestial header, or "".
    shape_yx : tuple of int
        Spaxels along y and x.
    ra_deg, dec_deg : float
        ICRS, degrees.
    """
    if not (-360 <= ra_deg <= 360 and -90 <= dec_deg <= 90):  # NaN neither
        return False
    if not celestial:
        return (ra_deg, dec_deg) != (0.0, 0.0)
    position = SkyCoord(ra_deg, dec_deg, unit="deg", frame="icrs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        x, y = _known_wcs(celestial).world_to_pixel(position)
    n_y, n_x = shape_yx
    if not (-0.5 <= x <= n_x - 0.5 and -0.5 <= y <= n_y - 0.5):
        return False
    # Some projections show the far side of the sky on the same plane.
    back = SkyCoord(*sky_position(celestial, x, y), unit="deg")
    return bool(back.separation(position).deg < 1)


def angle_deg(written: object, *, is_ra: bool) -> float:
    """An angle in degrees, from a number or from sexagesimal text; NaN if it is neither.

    Sexagesimal right ascensions are in hours: "10:00:00.0", "10 00 00", "10h00m00s".
    """
    text = str(written).translate(_AS_TYPED).strip()
    try:
        return float(text)
    except ValueError:
        pass
    found = re.fullmatch(r"[-+]?\d+[:hd° ]\s*(\d+)([:m' ]\s*(\d+(\.\d*)?)[s\"]?)?", text)
    if found is None or float(found[1]) >= 60 or float(found[3] or 0) >= 60:
        return float("nan")
    try:
        hours = is_ra and "d" not in text and "°" not in text
        return float(Angle(text, unit="hourangle" if hours else "deg").deg)
    except ValueError:
        return float("nan")


def spaxel_area_arcsec2(celestial: str) -> float:
    """Area of a spaxel on the sky, NaN without celestial coordinates."""
    if not celestial:
        return float("nan")
    return float(proj_plane_pixel_area(_known_wcs(celestial))) * 3600.0**2
