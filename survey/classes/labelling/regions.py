"""Regions of the sky whose class is known: circles, and polygons with great circles for sides.

Labels belong to places, not to numbers of clusters, which change with every setting.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import regions as sky_regions
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray

from survey.classes.types import Bools, Floats
from survey.errors import DataError

ARCSEC = math.pi / 180 / 3600

ELLIPSE_SIDES = 90
"""Of the polygon inside an ellipse, which has 99.9% of its area."""


@dataclass(frozen=True)
class LabelRegion:
    """A region of one class.

    Attributes
    ----------
    class_name : str
    ra_deg, dec_deg : tuple of float
        The centre of a circle, or the corners of a polygon smaller than a hemisphere (ICRS).
    radius_arcsec : float
        Of a circle; NaN for a polygon.
    hole_arcsec : float
        Radius of the hole that makes a ring of a circle.
    galaxy : str
        The galaxy it is meant for; empty for whichever is there.
    reference : str
        Who says so.
    """

    class_name: str
    ra_deg: tuple[float, ...]
    dec_deg: tuple[float, ...]
    radius_arcsec: float = math.nan
    galaxy: str = ""
    reference: str = ""
    hole_arcsec: float = 0.0

    def contains(self, ra_deg: Floats, dec_deg: Floats) -> Bools:
        """Which of the positions (N,) are inside; NaN is outside."""
        points = _unit_vectors(ra_deg, dec_deg)
        corners = _unit_vectors(np.array(self.ra_deg), np.array(self.dec_deg))
        if math.isfinite(self.radius_arcsec):
            chord = np.linalg.norm(points - corners[0], axis=1)
            inner, outer = (
                2 * math.sin(radius * ARCSEC / 2)
                for radius in (self.hole_arcsec, self.radius_arcsec)
            )
            return np.asarray((chord >= inner) & (chord <= outer))
        return _inside_polygon(points, corners)


def parse_regions(text: str, format: str) -> tuple[LabelRegion, ...]:
    """Read regions from the text of a DS9 region file ("ds9") or an ECSV table ("ecsv").

    DS9 circles, rings, ellipses, boxes and polygons in sky coordinates give their class as text,
    `circle(...) # text={AGN}`, or as their first tag. A table has the columns `class`, `ra`
    and `dec` (degrees), and any of `radius` (arcsec), `polygon` (corners as "ra dec ra dec
    ...", instead of the former three), `galaxy` and `reference`. Rows with a `place` or a
    `type` are not regions (see `survey.classes.labelling.nucleus_disc`).

    Raises
    ------
    DataError
        If the text cannot be read in that format, or has shapes that are not areas on the sky.
    """
    try:
        with warnings.catch_warnings():
            # For regions, a line that cannot be understood is worth a warning only.
            warnings.simplefilter("error", AstropyUserWarning)
            found = tuple(READERS[format](text))
    except DataError:
        raise
    except Exception as error:  # of the parsers of astropy and regions, which raise anything
        raise DataError(f"regions cannot be read as {format} ({error})") from None
    for region in found:
        _check(region)
    return found


def _from_table(text: str) -> Iterator[LabelRegion]:
    table = Table.read(text.splitlines(), format="ascii.ecsv")
    for name in table.colnames:
        # ECSV has no empty string: astropy reads one as a masked value.
        table[name] = np.ma.filled(table[name], "" if table[name].dtype.kind in "OU" else math.nan)
    for row in map(dict, table):
        if not (row.get("place") or row.get("type")):
            yield _from_row(row)


def _from_row(row: dict[str, Any]) -> LabelRegion:
    corners = [float(value) for value in str(row.get("polygon", "")).split()]
    circle = not corners
    return LabelRegion(
        class_name=str(row["class"]),
        ra_deg=(float(row["ra"]),) if circle else tuple(corners[::2]),
        dec_deg=(float(row["dec"]),) if circle else tuple(corners[1::2]),
        radius_arcsec=float(row["radius"]) if circle else math.nan,
        galaxy=str(row.get("galaxy", "")),
        reference=str(row.get("reference", "")),
    )


def _from_ds9(text: str) -> Iterator[LabelRegion]:
    for shape in sky_regions.Regions.parse(text, format="ds9"):
        name = shape.meta.get("text") or next(iter(shape.meta.get("tag", [])), "")
        corners = _sky_corners(shape)
        hole, radius = _radii(shape)
        yield LabelRegion(
            class_name=str(name),
            ra_deg=tuple(np.atleast_1d(corners.icrs.ra.deg).tolist()),
            dec_deg=tuple(np.atleast_1d(corners.icrs.dec.deg).tolist()),
            radius_arcsec=radius,
            hole_arcsec=hole,
        )


def _radii(shape: Any) -> tuple[float, float]:
    """Inner and outer radius in arcsec; the latter is NaN for what is not round."""
    if isinstance(shape, sky_regions.CircleAnnulusSkyRegion):
        radii = shape.inner_radius, shape.outer_radius
        return radii[0].to_value(u.arcsec), radii[1].to_value(u.arcsec)
    if isinstance(shape, sky_regions.CircleSkyRegion):
        return 0.0, shape.radius.to_value(u.arcsec)
    return 0.0, math.nan


def _sky_corners(shape: Any) -> Any:
    """Coordinates of the centre of a circle, or of the corners of another shape."""
    if not shape.meta.get("include", True):
        raise DataError("regions that exclude an area cannot be labels", found=repr(shape))
    if isinstance(shape, sky_regions.CircleSkyRegion | sky_regions.CircleAnnulusSkyRegion):
        return shape.center
    if isinstance(shape, sky_regions.PolygonSkyRegion):
        return shape.vertices
    if isinstance(shape, sky_regions.RectangleSkyRegion):
        along, across = np.array([1, 1, -1, -1]), np.array([1, -1, -1, 1])
    elif isinstance(shape, sky_regions.EllipseSkyRegion):
        turn = np.linspace(0, 2 * np.pi, ELLIPSE_SIDES, endpoint=False)
        along, across = np.cos(turn), np.sin(turn)
    else:
        raise DataError(
            "this kind of region is not an area on the sky",
            expected="circle, annulus, ellipse, box or polygon in sky coordinates",
            found=type(shape).__name__,
            advice="Save the regions of DS9 in a sky frame, for example fk5.",
        )
    # The width lies east-west; the angle turns it from west to north.
    cos, sin = np.cos(shape.angle), np.sin(shape.angle)
    along, across = along * shape.width / 2, across * shape.height / 2
    west, north = along * cos - across * sin, along * sin + across * cos
    return shape.center.spherical_offsets_by(-west, north)


READERS: dict[str, Callable[[str], Iterator[LabelRegion]]] = {
    "ds9": _from_ds9,
    "ecsv": _from_table,
}
"""How each format is read."""


def _unit_vectors(ra_deg: Floats, dec_deg: Floats) -> NDArray[np.float64]:
    ra, dec = np.deg2rad(ra_deg), np.deg2rad(dec_deg)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _inside_polygon(points: Floats, corners: Floats) -> Bools:
    """By crossings, in the gnomonic projection, where great circles are straight."""
    middle = corners.mean(axis=0)
    middle /= np.linalg.norm(middle)
    east = np.cross([0.0, 0.0, 1.0] if abs(middle[2]) < 0.9 else [1.0, 0.0, 0.0], middle)
    east /= np.linalg.norm(east)
    axes = np.stack([east, np.cross(middle, east)], axis=1)
    in_front = points @ middle > 0
    x, y = (points[in_front] @ axes / (points[in_front] @ middle)[:, np.newaxis]).T
    corner = corners @ axes / (corners @ middle)[:, np.newaxis]

    odd = np.zeros(x.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(corner, np.roll(corner, -1, axis=0), strict=True):
        straddles = (y0 > y) != (y1 > y)
        odd[straddles] ^= x[straddles] < x0 + (y[straddles] - y0) * (x1 - x0) / (y1 - y0)
    inside = np.zeros(len(points), dtype=bool)
    inside[in_front] = odd
    return inside


def _check(region: LabelRegion) -> None:
    corners, circle = len(region.ra_deg), math.isfinite(region.radius_arcsec)
    closed = region.radius_arcsec > 0 if circle else corners >= 3
    if not (region.class_name and closed and corners == len(region.dec_deg)):
        raise DataError(
            "a region is not complete",
            expected="a class, and a circle with a radius or a polygon with three corners",
            found=f"class {region.class_name!r}, {corners} corners, {region.radius_arcsec} arcsec",
            advice="In DS9 the class is the text of the region: # text={AGN}",
        )
