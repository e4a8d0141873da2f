"""A straight line through points of which some are wrong, with an error for correlated points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAIRS = 50_000
"""Pairs of points that the slope is the median of; of few points all are taken."""

BLOCKS = 25
"""Squares of the field that are drawn again and again for the error."""

RESAMPLES = 200
PAIRS_OF_RESAMPLE = 5_000
SIGMA_OF_MAD = 1.4826


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x.

    Attributes
    ----------
    slope, intercept : float
        The intercept is NaN if every group of points has one of its own.
    slope_err, intercept_err : float
        Standard errors.
    scatter : float
        Standard deviation of the points about it, from the median absolute deviation.
    """

    slope: float
    intercept: float
    slope_err: float
    intercept_err: float
    scatter: float


@dataclass(frozen=True)
class Points:
    """Points on the sky.

    Attributes
    ----------
    x, y : (n,) arrays
        Values.
    place_y, place_x : (n,) arrays of int
        Where the points are.
    group : (n,) array of int
        Points of another group have another intercept.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    place_y: NDArray[np.integer]
    place_x: NDArray[np.integer]
    group: NDArray[np.integer]

    def take(self, rows: NDArray[np.intp]) -> Points:
        """Some of the points."""
        return Points(
            self.x[rows], self.y[rows], self.place_y[rows], self.place_x[rows], self.group[rows]
        )

    def blocks(self) -> list[NDArray[np.intp]]:
        """Rows of the points in each of about `BLOCKS` squares."""
        side = max(1, round(float(np.sqrt(len(self.y) / BLOCKS))))
        width = int(self.place_x.max()) // side + 1
        square = self.place_y // side * width + self.place_x // side
        _, block = np.unique(square, return_inverse=True)
        return [np.flatnonzero(block == number) for number in range(block.max() + 1)]


def robust_line(points: Points, rng: np.random.Generator) -> Line:
    """The line of Theil (1950) and Sen (1968): its slope is the median of those of pairs of points.

    Up to 29% of the points may be anywhere. Pairs are of one group. Errors are from squares of the
    field drawn with replacement (Künsch 1989, Annals of Statistics 17, 1217), because neighbouring
    spaxels are not independent.

    Parameters
    ----------
    points : Points
    rng : numpy.random.Generator
    """
    slope = _slope(points, rng, PAIRS)
    rest = points.y - slope * points.x
    _, group = np.unique(points.group, return_inverse=True)
    zero = np.array([np.median(rest[group == number]) for number in range(group.max() + 1)])
    residual = rest - zero[group]
    scatter = SIGMA_OF_MAD * float(np.median(np.abs(residual)))
    blocks = points.blocks()
    found = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([blocks[i] for i in rng.integers(len(blocks), size=len(blocks))])
        drawn = points.take(rows)
        one = _slope(drawn, rng, PAIRS_OF_RESAMPLE)
        found.append((one, np.median(drawn.y - one * drawn.x)))
    known = np.array(found)[np.isfinite(found).all(axis=1)]
    slope_err, zero_err = known.std(axis=0) if len(known) else (np.nan, np.nan)
    if len(zero) > 1:
        return Line(slope, np.nan, float(slope_err), np.nan, scatter)
    return Line(slope, float(zero[0]), float(slope_err), float(zero_err), scatter)


def _slope(points: Points, rng: np.random.Generator, pairs: int) -> float:
    """Median slope of pairs of points of one group; NaN if these have one x each."""
    n = len(points.x)
    if n * (n - 1) // 2 <= pairs:
        first, second = np.triu_indices(n, 1)
        one_group = points.group[first] == points.group[second]
        first, second = first[one_group], second[one_group]
    else:
        order = np.argsort(points.group, kind="stable")
        _, start, place, count = np.unique(
            points.group[order], return_index=True, return_inverse=True, return_counts=True
        )
        one = rng.integers(n, size=pairs)
        other = start[place[one]] + (rng.random(pairs) * count[place[one]]).astype(np.intp)
        first, second = order[one], order[other]
    run, rise = points.x[second] - points.x[first], points.y[second] - points.y[first]
    apart = run != 0
    return float(np.median(rise[apart] / run[apart])) if apart.any() else float("nan")
