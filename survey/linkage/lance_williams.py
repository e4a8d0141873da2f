"""Linkage methods: the input of distances, their combination by a merge, and the heights.

All methods in float32 work on one table of numbers that a merge updates: squares for Ward's method,
whose recurrence is linear in them, and for the methods that only compare; plain distances for the
average. A combined distance is never less than the smaller of the two it replaces. Mathematically
that is always so (the methods are reducible); enforcing it in spite of rounding makes heights
increase exactly, and every order of merging gives the same tree.

Ties are broken in the same way everywhere: a cluster is identified by its smallest member, and of
equally near clusters the largest is the nearest. So all pairs of clusters have a strict order,
which no merge changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from survey.distances.lags import Array

Method = Literal["ward", "average", "complete", "single"]
WardInput = Literal["distance", "squared"]

FASTMATH = {"nnan", "nsz", "reassoc"}
"""Floating-point options of the compiler: there is never a NaN, but infinity is used."""

WARD, AVERAGE, COMPLETE, SINGLE = range(4)
_CODES: dict[Method, int] = {
    "ward": WARD,
    "average": AVERAGE,
    "complete": COMPLETE,
    "single": SINGLE,
}


@dataclass(frozen=True)
class Linkage:
    """A linkage method, and what it is given.

    Parameters
    ----------
    method : {"ward", "average", "complete", "single"}
    ward_input : {"distance", "squared"}
        See `linkage_tree`.
    """

    method: Method
    ward_input: WardInput = "distance"

    @property
    def code(self) -> int:
        """The method as compiled functions know it."""
        return _CODES[self.method]

    def feed(self, squared: Array) -> Array:
        """Turn squared distances into what the method works on, in place."""
        if self.method == "average":
            np.sqrt(squared, out=squared)
        elif self.method == "ward" and self.ward_input == "squared":
            np.square(squared, out=squared)
        return squared

    def heights(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Heights of merges, in the unit in which fastcluster gives them.

        Squares may be below zero where clusters were joined that no linkage would have joined.
        """
        if self.method == "average":
            return values.astype(np.float64)
        return np.sqrt(np.maximum(values, 0.0), dtype=np.float64)


@njit(inline="always", fastmath=FASTMATH)
def combined(  # type: ignore[no-untyped-def]
    code, first, second, between, n_first, n_second, n_other
):
    """Distance of a third cluster from the union of two (Lance & Williams 1967).

    Parameters
    ----------
    code : int
    first, second : float
        Its distances from the two.
    between : float
        That of the two, not above `first` and `second`.
    n_first, n_second, n_other : float
        Numbers of members.
    """
    nearer = min(first, second)
    if code == SINGLE:
        return nearer
    if code == COMPLETE:
        return max(first, second)
    if code == AVERAGE:
        value = (n_first * first + n_second * second) / (n_first + n_second)
    else:
        value = (
            (n_first + n_other) * first + (n_second + n_other) * second - n_other * between
        ) / (n_first + n_second + n_other)
    return max(value, nearer)
