"""The order of the axes of a FITS cube: where the wavelengths are, and which axes are none.

Cubes are (wavelength, y, x) here. Files may have the spectral axis anywhere, and further axes of
length 1 (STOKES). The header is renumbered to the axes x, y, wavelength (1, 2, 3), so that all
else can rely on that order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from astropy.io import fits
from numpy.typing import DTypeLike

from survey.cubes.lazy_image import Image, rearranged
from survey.cubes.read_fits import FitsFile
from survey.cubes.wcs import CELESTIAL

SPECTRAL = re.compile(
    r"WAVE|AWAV|FREQ|WAVN|ENER|VELO|VOPT|VRAD|ZOPT|BETA|FELO|LAMBDA|LOG|LN\b|SPECTR|.*WAVELEN", re.I
)
"""Start of CTYPE of a spectral axis: Greisen et al. 2006, table 1, and common other names."""

_CARDS = re.compile(
    r"(?P<one>NAXIS|CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME|CRDER|CSYER)(?P<axis>\d+)"
    r"|(?P<iraf>WAT)(?P<iraf_axis>\d)_001"
    r"|(?P<two>PC|CD)(?P<row>\d+)_(?P<column>\d+)"
    r"|(?P<old>PC|CD)(?P<old_row>\d{3})(?P<old_column>\d{3})"
    r"|(?P<value>PV|PS)(?P<world>\d+)_(?P<number>\d+)"
)


@dataclass(frozen=True)
class Layout:
    """How an image in a file becomes a cube.

    Attributes
    ----------
    header : astropy.io.fits.Header
        The header with the axes x, y and wavelength as 1, 2 and 3.
    axes : tuple of int
        The axes of the array in the file that are wavelength, y and x.
    ndim : int
        Number of axes of the array in the file.
    """

    header: fits.Header
    axes: tuple[int, ...]
    ndim: int

    def image(
        self,
        fits_file: FitsFile,
        extension: str | int,
        dtype: DTypeLike | None = None,
        *,
        for_all_planes: bool = False,
    ) -> Image:
        """An image as (wavelength, y, x), or as (y, x) where that may hold for all planes.

        Raises
        ------
        DataError
            As `FitsFile.image`.
        """
        ndim = {3, max(3, self.ndim)} | ({2} if for_all_planes else set())
        image = fits_file.image(extension, dtype, ndim=tuple(sorted(ndim)))
        if image.ndim == self.ndim:
            return rearranged(image, self.axes)
        if image.ndim == 3:
            return rearranged(image, tuple(sorted(self.axes).index(axis) for axis in self.axes))
        return image


def cube_layout(fits_file: FitsFile, extension: str | int) -> Layout:
    """The order of the axes of an extension, from its header."""
    return layout_of(fits_file.header(extension))


def layout_of(header: fits.Header) -> Layout:
    """The order of the axes that a header describes.

    The spectral axis is the one whose CTYPE says so, else the only one that is not celestial,
    else the third. Axes of length 1 that are neither are dropped while there are over three.
    """
    ndim = int(header.get("NAXIS", 0))
    axes = list(range(1, ndim + 1))
    kinds = {axis: str(header.get(f"CTYPE{axis}", "")).strip() for axis in axes}
    named = [axis for axis in axes if SPECTRAL.match(kinds[axis])]
    spectral = max(named, key=lambda axis: header[f"NAXIS{axis}"] > 1, default=None)
    sky = {axis for axis in axes if CELESTIAL.match(kinds[axis])}
    for axis in reversed(list(axes)):
        if len(axes) > 3 and header[f"NAXIS{axis}"] == 1 and axis != spectral and axis not in sky:
            axes.remove(axis)
    if len(axes) != 3:
        return Layout(header, tuple(range(ndim)), ndim)
    if spectral is None:
        others = [axis for axis in axes if axis not in sky]
        spectral = others[0] if len(others) == 1 else axes[2]
    x, y = (axis for axis in axes if axis != spectral)
    array_axes = tuple(ndim - axis for axis in (spectral, y, x))
    if array_axes == (0, 1, 2) and ndim == 3:
        return Layout(header, array_axes, ndim)
    return Layout(_renumbered(header, {x: 1, y: 2, spectral: 3}), array_axes, ndim)


def shape_of(header: fits.Header) -> tuple[int, ...]:
    """Wavelengths, y and x of the cube that a header describes."""
    layout = layout_of(header)
    sizes = [header[f"NAXIS{axis}"] for axis in range(layout.ndim, 0, -1)]
    return tuple(sizes[axis] for axis in layout.axes)


def _renumbered(header: fits.Header, new: Mapping[int, int]) -> fits.Header:
    """A header with other numbers of its axes; the cards of axes without one are left out."""
    renumbered, cards = header.copy(), []
    for card in header.cards:
        match = _CARDS.fullmatch(card.keyword)
        if match is None:
            continue
        renumbered.remove(card.keyword, ignore_missing=True)
        keyword = _keyword(match.groupdict(), new)
        if keyword is not None:
            cards.append((keyword, card.value, card.comment))
    renumbered["NAXIS"] = 3
    if "WCSAXES" in renumbered:
        renumbered["WCSAXES"] = 3
    for card in sorted(cards):
        renumbered.append(card)
    return renumbered


def _keyword(found: Mapping[str, Any], new: Mapping[int, int]) -> str | None:
    def axis(name: str) -> int | None:
        return new.get(int(found[name]))

    if found["one"]:
        return f"{found['one']}{axis('axis')}" if axis("axis") else None
    if found["iraf"]:
        return f"WAT{axis('iraf_axis')}_001" if axis("iraf_axis") else None
    if found["value"]:
        return f"{found['value']}{axis('world')}_{found['number']}" if axis("world") else None
    old = "old_" if found["old"] else ""
    row, column = axis(f"{old}row"), axis(f"{old}column")
    return f"{found['old'] or found['two']}{row}_{column}" if row and column else None
