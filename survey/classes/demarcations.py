"""Published lines that divide the planes of optical line ratios (BPT diagrams).

A plane is divided by one line after the other. A point below the first line has the class of that
line; of the others, a point below the second line has its class, and so on. A point above all lines
has the class above the last. The curves and their sources are data (`demarcations.ecsv`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from survey.classes.types import Floats

UNDECIDED = ""


@dataclass(frozen=True)
class Demarcation:
    """A line in a plane of two log ratios; the attributes are the columns of the table.

    `form` defines the coefficients:

    hyperbola   y = a / (x - b) + c    left of the asymptote x = b; all else is above it
    line        y = a x + b

    Attributes
    ----------
    name : str
    x, y : str
        Names of the ratios.
    form : "hyperbola" or "line"
    a, b, c : float
        Coefficients; `c` is NaN for a line.
    below, above : str
        The classes that it parts. Only the last line of a plane has one `above`.
    source : str
    """

    name: str
    x: str
    y: str
    form: Literal["hyperbola", "line"]
    a: float
    b: float
    c: float
    below: str
    above: str
    source: str

    def __call__(self, x: Floats) -> Floats:
        """Height y of the line at x, NaN where it is not defined."""
        x = np.asarray(x, dtype=np.float64)
        if self.form == "line":
            return np.asarray(self.a * x + self.b)
        left = x < self.b
        return np.where(left, self.a / np.where(left, x - self.b, math.inf) + self.c, math.nan)

    def is_above(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Which points are above it, or beyond its asymptote."""
        height = self(x)
        return np.asarray((y > height) | np.isnan(height))


def classify_plane(x: Floats, y: Floats, lines: Sequence[Demarcation]) -> NDArray[np.str_]:
    """Classes of points (N,) by the lines of one plane, in their order.

    `UNDECIDED` where a ratio is missing. Leave out limits: they have no place in the plane.
    """
    above = np.array([line.is_above(x, y) for line in lines])
    names = np.array([*(line.below for line in lines), lines[-1].above])
    first_below = np.where(above.all(axis=0), len(lines), np.argmin(above, axis=0))
    return np.where(np.isfinite(x) & np.isfinite(y), names[first_below], UNDECIDED)
