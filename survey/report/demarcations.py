"""Draws published lines in the planes of optical ratios, and the names of the regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import cycle
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from catalogs.reference import Reference, packaged_reference
from survey.classes.demarcations import UNDECIDED, Demarcation, classify_plane

Plane = tuple[str, str]
Range = tuple[float, float]

LineStyle = Literal["-", "--", ":", "-."]
LINE_STYLES: tuple[LineStyle, ...] = ("-", "--", ":", "-.")

LEFT_DEX, RIGHT_DEX = 1.4, 0.3
"""How far a plane extends on either side of the asymptotes of its lines."""

HEIGHT = (-1.2, 1.3)
CELLS = 150
SMALLEST_NAMED = 0.02
"""Fraction of the panel; smaller regions have no room for a name."""


def demarcated_planes(
    reference: Reference | None = None,
) -> dict[Plane, tuple[Demarcation, ...]]:
    """The planes (x, y) that have published lines, with these in their order."""
    planes: dict[Plane, tuple[Demarcation, ...]] = {}
    for row in (reference or packaged_reference()).demarcations:
        line = Demarcation(**asdict(row))
        planes[line.x, line.y] = (*planes.get((line.x, line.y), ()), line)
    return planes


def plane_frame(plane: Plane, reference: Reference | None = None) -> tuple[Range, Range] | None:
    """Ranges in x and y that show the lines of a plane; None if it has none."""
    lines = demarcated_planes(reference).get(plane, ())
    asymptotes = [line.b for line in lines if line.form == "hyperbola"]
    if not asymptotes:
        return None
    return (min(asymptotes) - LEFT_DEX, max(asymptotes) + RIGHT_DEX), HEIGHT


def line_heights(
    lines: Sequence[Demarcation], x: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """The lines of a plane at some x; NaN where a straight one divides nothing any more."""
    for number, line in enumerate(lines):
        height = line(x)
        if line.form == "line":  # it parts only what those before leave
            left = [other.is_above(x, height) for other in lines[:number]]
            height = np.where(np.logical_and.reduce(left), height, np.nan)
        yield height


def draw_demarcations(axes: Axes, plane: Plane, reference: Reference | None = None) -> None:
    """Draw the lines of a plane within its limits, with the names of the regions between."""
    lines = demarcated_planes(reference).get(plane, ())
    if not lines:
        return
    limits = axes.get_xlim(), axes.get_ylim()
    x, y = (np.linspace(*ends, CELLS) for ends in limits)
    style = _line_styles(reference)
    for line, height in zip(lines, line_heights(lines, x), strict=True):
        axes.plot(x, height, color="black", linewidth=1, linestyle=style[line.name],
                  label=line.name, zorder=2)  # fmt: skip
    axes.set(xlim=limits[0], ylim=limits[1])
    _name_regions(axes, x, y, lines)


def demarcation_handles(
    planes: Iterable[Plane], reference: Reference | None = None
) -> list[Line2D]:
    """What a legend says of the lines of these planes."""
    style, known = _line_styles(reference), demarcated_planes(reference)
    names = {line.name: None for plane in planes for line in known.get(plane, ())}
    return [
        Line2D([], [], color="black", linewidth=1, linestyle=style[name], label=_citation(name))
        for name in names
    ]


def _line_styles(reference: Reference | None) -> dict[str, LineStyle]:
    planes = demarcated_planes(reference).values()
    names = dict.fromkeys(line.name for lines in planes for line in lines)
    return dict(zip(names, cycle(LINE_STYLES), strict=False))


def _citation(name: str) -> str:
    """`Kewley2001` as people write it."""
    return f"{name[:-4]} et al. {name[-4:]}"


def _name_regions(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], lines: Sequence[Demarcation]
) -> None:
    """Write the name of every region where there is most room around it."""
    grid = np.meshgrid(x, y)
    names = classify_plane(grid[0].ravel(), grid[1].ravel(), lines).reshape(grid[0].shape)
    for name in sorted(set(names.ravel()) - {UNDECIDED}):
        inside = np.pad(names == name, 1)
        if inside.mean() < SMALLEST_NAMED:
            continue
        room = distance_transform_edt(inside)[1:-1, 1:-1]
        row, column = np.unravel_index(np.argmax(room), room.shape)
        axes.text(x[column], y[row], name, ha="center", va="center", color="0.45", zorder=0)
