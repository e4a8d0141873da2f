"""Contours of the classes in planes of two log ratios.

Contours are those of a Gaussian kernel density estimate of each class, in which a cluster
counts with its probability of the class; a cluster with a limit in either ratio does not count. A
contour at 0.9 is the region of highest density that encloses 90% of the estimated density of the
class, so larger levels are farther out. (The paper does not define its levels; in plotting
libraries they may count from outside.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import contourpy
import numpy as np
from scipy.signal import fftconvolve

from survey.classes.ratios import log_ratios
from survey.classes.sample import Sample
from survey.classes.types import Floats

LEVELS = (0.5, 0.6, 0.75, 0.9)
"""Of the contours of the paper's diagrams."""

CELLS_PER_BANDWIDTH = 10
MAX_CELLS = 1000
MARGIN_BANDWIDTHS = 4
"""How far beyond a cluster its kernel is followed."""

MIN_CLUSTERS = 3.0
"""Least sum of the probabilities of a class whose contours are drawn."""

MIN_AXIS_RATIO = 1e-3
"""Of the ellipse of scatter; thinner ones are lines."""


@dataclass(frozen=True)
class Contour:
    """One closed line, of which a level may have several; the first point is the last."""

    class_name: str
    level: float
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Diagram:
    """The plane of two log ratios, by their names, with the contours of the classes in it."""

    x: str
    y: str
    contours: tuple[Contour, ...]


def class_diagrams(
    sample: Sample,
    probabilities: Floats,
    classes: Sequence[str],
    planes: Sequence[tuple[str, str]],
) -> tuple[Diagram, ...]:
    """Diagrams of a classified sample in planes (x, y) of two of its ratios.

    `probabilities` (N, C) are NaN where not classified.
    """
    ratios = log_ratios(sample.fluxes, sample.ratios)
    measured = np.where(ratios.limit == 0, ratios.value, np.nan)
    column = dict(zip(ratios.names, measured.T, strict=True))
    return tuple(
        Diagram(x, y, tuple(class_contours(column[x], column[y], probabilities, classes)))
        for x, y in planes
    )


def class_contours(
    x: Floats,
    y: Floats,
    probabilities: Floats,
    classes: Sequence[str],
    levels: Sequence[float] = LEVELS,
) -> list[Contour]:
    """Contours of all classes in the plane of two log ratios.

    Parameters
    ----------
    x, y : array (N,)
        Log ratios, NaN where they are limits or missing.
    probabilities : array (N, C)
        NaN where not classified.
    levels : sequence of float
        Fractions of each class to be enclosed.

    Returns
    -------
    list of Contour
        By class and level; none for a class with too few clusters or a scatter along a line.
    """
    known = np.isfinite(x) & np.isfinite(y) & np.isfinite(probabilities).all(axis=1)
    points = np.stack([x[known], y[known]])
    contours: list[Contour] = []
    for k, name in enumerate(classes):
        weights = probabilities[known, k]
        if _has_shape(points, weights):
            contours += _contours(name, points, weights, levels)
    return contours


def _contours(
    name: str, points: Floats, weights: Floats, levels: Sequence[float]
) -> Iterator[Contour]:
    x, y, density = _density(points, weights)
    lines = contourpy.contour_generator(x, y, density.T, line_type="Separate")
    for level, height in zip(levels, _heights(density, levels), strict=True):
        for line in lines.lines(height):
            yield Contour(name, level, *np.asarray(line).T)


def _density(points: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Kernel density, up to a factor, on a grid: x (I,), y (J,) and the density (I, J).

    The bandwidth is Scott's. Points are put into cells much smaller than that first, and the
    cells are convolved: ten clusters or a million take the same time.
    """
    n_effective = weights.sum() ** 2 / (weights**2).sum()
    covariance = np.cov(points, aweights=weights) * n_effective ** (-1 / 3)
    bandwidth = np.sqrt(np.diagonal(covariance))
    reach = MARGIN_BANDWIDTHS * bandwidth
    low, high = points.min(axis=1) - reach, points.max(axis=1) + reach
    cells = np.minimum(np.ceil((high - low) / bandwidth * CELLS_PER_BANDWIDTH), MAX_CELLS)
    edges = [np.linspace(a, b, int(n) + 1) for a, b, n in zip(low, high, cells, strict=True)]
    binned, _, _ = np.histogram2d(points[0], points[1], bins=edges, weights=weights)

    step = (high - low) / cells
    half = np.ceil(reach / step).astype(int)
    offset = np.stack(
        np.meshgrid(
            *(np.arange(-h, h + 1) * d for h, d in zip(half, step, strict=True)), indexing="ij"
        )
    )
    inverse = np.linalg.inv(covariance)
    kernel = np.exp(-np.einsum("aij,ab,bij->ij", offset, inverse, offset) / 2)
    x, y = ((edge[1:] + edge[:-1]) / 2 for edge in edges)
    return x, y, fftconvolve(binned, kernel, mode="same")


def _heights(density: Floats, levels: Sequence[float]) -> Floats:
    """Density above which each fraction of the whole lies."""
    descending = np.sort(density.ravel())[::-1]
    enclosed = np.cumsum(descending) / descending.sum()
    return np.interp(levels, enclosed, descending)


def _has_shape(points: Floats, weights: Floats) -> bool:
    if weights.sum() < MIN_CLUSTERS:
        return False
    variances = np.linalg.eigvalsh(np.cov(points, aweights=weights))
    return bool(variances[0] > MIN_AXIS_RATIO**2 * variances[1])
