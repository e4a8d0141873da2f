"""Celestial coordinates of spaxels.

A cube keeps its celestial coordinates as the text of a small FITS header, not as a WCS object,
because text can be stored, sent and compared. Without celestial axes the text is empty.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area
from numpy.typing import ArrayLike, NDArray

from survey.errors import DataError

_KEYWORDS = re.compile(
    r"(CTYPE|CUNIT|CRVAL|CRPIX|CDELT)[12]|(PC|CD)[12]_[12]|PV[12]_\d+"
    r"|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX"
)


def celestial_header(header: fits.Header, *, file: str | Path) -> str:
    """Text of the header of the celestial axes of a cube (axes 1 and 2), or "" without such.

    Only the keywords of the two axes are used, so that a tabulated wavelength axis, which
    astropy cannot open without the file, does no harm.

    Raises
    ------
    DataError
        If the axes are said to be celestial but are not valid.
    """
    plane = fits.Header()
    for card in header.cards:
        if _KEYWORDS.fullmatch(card.keyword):
            keyword = "RADESYS" if card.keyword == "RADECSYS" else card.keyword
            plane[keyword] = card.value
    if any(keyword.startswith("CD") and "_" in keyword for keyword in plane):
        for keyword in ("CDELT1", "CDELT2", "PC1_1", "PC1_2", "PC2_1", "PC2_2"):
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
            return header_text(wcs.to_header())
    except ValueError as error:
        raise DataError(f"the celestial coordinates are not valid ({error})", file=file) from error


def header_text(header: fits.Header) -> str:
    """A header as text, one card a line."""
    return header.tostring(sep="\n", endcard=False, padding=False)


def read_header(text: str) -> fits.Header:
    """The header a text was made of."""
    return fits.Header.fromstring(text, sep="\n")


def celestial_wcs(celestial: str) -> WCS:
    """The WCS object of a celestial header text, which must not be empty."""
    return WCS(read_header(celestial))


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
    position = celestial_wcs(celestial).pixel_to_world(x, y).icrs
    return np.asarray(position.ra.deg), np.asarray(position.dec.deg)


def spaxel_area_arcsec2(celestial: str) -> float:
    """Area of a spaxel on the sky, NaN without celestial coordinates."""
    if not celestial:
        return float("nan")
    return float(proj_plane_pixel_area(celestial_wcs(celestial))) * 3600.0**2
