"""The clusters of one galaxy as DS9 regions: polygons along the edges of their spaxels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from survey.cubes.wcs import celestial_wcs
from survey.export.galaxy_tables import GalaxyTables
from survey.report.palette import cluster_colors

Corner = tuple[int, int]

_HEADER = (
    "# Region file format: DS9",
    "# Polygons with a minus are holes of the cluster of the same text.",
    "global width=2",
)


def write_regions(galaxy: GalaxyTables, path: Path) -> None:
    """Write the outlines of all clusters: on the sky (ICRS), or in pixels without a WCS."""
    spaxels = galaxy.frame("spaxels")
    image = np.zeros(galaxy.shape, dtype=np.int32)
    image[spaxels["y"], spaxels["x"]] = spaxels["cluster"]
    wcs = celestial_wcs(galaxy.celestial_header) if galaxy.celestial_header else None
    lines = [*_HEADER, "icrs" if wcs else "image"]
    for number, color in enumerate(cluster_colors(int(image.max(initial=0))), start=1):
        for outline in outlines(image == number):
            if wcs is None:
                points = ",".join(f"{value + 1:.1f}" for value in outline.ravel())
            else:
                sky = wcs.pixel_to_world(outline[:, 0], outline[:, 1]).icrs
                pairs = zip(sky.ra.deg, sky.dec.deg, strict=True)
                points = ",".join(f"{ra:.8f},{dec:.8f}" for ra, dec in pairs)
            sign = "" if _area(outline) > 0 else "-"
            lines.append(f"{sign}polygon({points}) # color={color} text={{{number}}}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def outlines(inside: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """The closed outlines of some pixels, along their edges.

    Parameters
    ----------
    inside : (ny, nx) array of bool

    Yields
    ------
    (n, 2) array
        Corners (x, y), pixels from 0 with whole numbers in their middles; round a piece
        counterclockwise (x to the right, y upwards), round a hole clockwise. Pixels that touch
        only at a corner are pieces of their own.
    """
    ends = _edges(inside)
    while ends:
        start = next(iter(ends))
        corners = [start]
        here, before = ends[start].pop(), start
        if not ends[start]:
            del ends[start]
        while here != start:
            corners.append(here)
            step = here[0] - before[0], here[1] - before[1]
            # Where two pixels touch at a corner the left turn stays at its own pixel.
            turns = ((-step[1], step[0]), step, (step[1], -step[0]))
            following = next(
                there for turn in turns
                if (there := (here[0] + turn[0], here[1] + turn[1])) in ends[here]
            )  # fmt: skip
            ends[here].remove(following)
            if not ends[here]:
                del ends[here]
            before, here = here, following
        yield _without_straight_corners(np.array(corners, dtype=float)) - 0.5


def _edges(inside: NDArray[np.bool_]) -> dict[Corner, set[Corner]]:
    """The edges between inside and outside, with the inside on their left, by where they begin.

    Corners are lower left corners of pixels.
    """
    padded = np.pad(inside, 1)
    middle = padded[1:-1, 1:-1]
    ends: dict[Corner, set[Corner]] = {}
    sides = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),  # below: to the right
        (padded[1:-1, 2:], (1, 0), (1, 1)),  # right: upwards
        (padded[2:, 1:-1], (1, 1), (0, 1)),  # above: to the left
        (padded[1:-1, :-2], (0, 1), (0, 0)),  # left: downwards
    )
    for outside, first, last in sides:
        for y, x in np.argwhere(middle & ~outside).tolist():
            start = (x + first[0], y + first[1])
            ends.setdefault(start, set()).add((x + last[0], y + last[1]))
    return ends


def _without_straight_corners(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    before, after = np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)
    turns = ((corners - before) != (after - corners)).any(axis=1)
    return corners[turns]


def _area(corners: NDArray[np.float64]) -> float:
    """Signed area, positive counterclockwise."""
    x, y = corners.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)
