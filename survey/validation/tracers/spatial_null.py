"""What unrelated maps give by chance: the same map, rotated and shifted within the field.

Neighbouring spaxels are alike, in clusters and in maps, so that spaxels are far fewer independent
facts than their number. To shuffle them destroys that, and finds nearly every pair of smooth maps
significant. A map that is rotated and shifted as a whole keeps its structure, and loses only its
relation to the clusters. Such tests are common in ecology (torus translations: Harms et al. 2001,
Journal of Ecology 89, 947) and for maps of the brain (rotations: Alexander-Bloch et al. 2018,
NeuroImage 178, 540).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 999
"""Draws of the null, so that no p-value is below 0.001."""

LEAST_OVERLAP = 0.5
"""A moved map counts if it covers so much of what the map covers in its place."""

TRIES = 50
"""So many moves are tried for one draw; where the map is narrow, most leave the field."""

Statistic = Callable[[NDArray[np.bool_], NDArray[np.float64]], float]
"""Of (n,) the spaxels that a map covers, and (m,) its values there."""


@dataclass(frozen=True)
class Chance:
    """A statistic beside its values for unrelated maps.

    Attributes
    ----------
    value : float
        Of the map in its place.
    null : (n,) array
        Of the map rotated and shifted.
    p_value : float
        (1 + number of `null` at least as large) / (1 + n): at least 1 / (1 + n).
    p_rotation : float
        The same for the map rotated about the centre and mirrored: it stays concentric, if it is.
    """

    value: float
    null: NDArray[np.float64]
    p_value: float
    p_rotation: float

    @property
    def floor(self) -> float:
        """The least p-value that so many draws can give; 1 without any."""
        return 1.0 / (1 + len(self.null))


@dataclass(frozen=True)
class MapInPlace:
    """A map on the grid of a cube, and the clustered spaxels that it is compared with.

    Attributes
    ----------
    values : (ny, nx) array
        NaN where the map has none.
    y, x : (n,) arrays of int
        The spaxels.
    centre : (y, x)
        Centre of the rotations: the photometric centre.
    """

    values: NDArray[np.float64]
    y: NDArray[np.integer]
    x: NDArray[np.integer]
    centre: tuple[float, float]

    def at_spaxels(self) -> NDArray[np.float64]:
        """(n,) values in place."""
        return np.asarray(self.values[self.y, self.x])

    def moved(
        self, angle: float, mirrored: bool, shift: tuple[float, float]
    ) -> NDArray[np.float64]:
        """(n,) values of the map rotated about its centre, mirrored and shifted, nearest pixel.

        Parameters
        ----------
        angle : float
            Radian.
        mirrored : bool
        shift : (y, x)
            Spaxels.
        """
        down, right = self.y - self.centre[0] - shift[0], self.x - self.centre[1] - shift[1]
        if mirrored:
            right = -right
        cosine, sine = np.cos(angle), np.sin(angle)
        y = np.rint(cosine * down + sine * right + self.centre[0]).astype(np.int64)
        x = np.rint(cosine * right - sine * down + self.centre[1]).astype(np.int64)
        height, width = self.values.shape
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        found = np.full(len(y), np.nan)
        found[inside] = self.values[y[inside], x[inside]]
        return found


def by_chance(
    place: MapInPlace, statistic: Statistic, rng: np.random.Generator, *, draws: int = DRAWS
) -> Chance:
    """Compare a statistic of a map and the spaxels with that of the map moved elsewhere.

    Parameters
    ----------
    place : MapInPlace
    statistic : callable
        The larger, the more they have to do with each other.
    rng : numpy.random.Generator
    draws : int
        Wanted; there are fewer, down to none, if the map covers too little of the field to be
        moved within it.
    """
    value = _of(place.at_spaxels(), statistic)
    null = np.array([_of(v, statistic) for v in _moved_maps(place, rng, draws, shifted=True)])
    turned = np.array([_of(v, statistic) for v in _moved_maps(place, rng, draws, shifted=False)])
    return Chance(value, null, _p_value(value, null), _p_value(value, turned))


def _of(values: NDArray[np.float64], statistic: Statistic) -> float:
    covered = np.isfinite(values)
    return statistic(covered, values[covered])


def _p_value(value: float, null: NDArray[np.float64]) -> float:
    alike = 1e-12  # a move onto itself gives the value again, to rounding
    return float((1 + np.sum(null >= value - alike)) / (1 + len(null)))


def _moved_maps(
    place: MapInPlace, rng: np.random.Generator, draws: int, *, shifted: bool
) -> Iterator[NDArray[np.float64]]:
    """The values (n,) of moved maps that cover enough."""
    least = LEAST_OVERLAP * np.isfinite(place.at_spaxels()).sum()
    reach = np.array([np.ptp(place.y) + 1, np.ptp(place.x) + 1]) / 2 if shifted else np.zeros(2)
    for _ in range(draws):
        for _ in range(TRIES):
            shift = rng.uniform(-reach, reach)
            found = place.moved(
                rng.uniform(0, 2 * np.pi), bool(rng.integers(2)), (float(shift[0]), float(shift[1]))
            )
            if np.isfinite(found).sum() >= least:
                yield found
                break
        else:
            return
