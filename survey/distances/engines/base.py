"""The interface of a distance engine: distances at every lag, for a rectangle of pairs at a time.

The left spectra are divided into tiles of consecutive rows, the right ones into panels. An engine
prepares both sides once. Then it computes the distances between a tile and a panel at every lag.
Bookkeeping and threads are the same for all engines: see `survey.distances.distances`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from survey.distances.lags import Array


class Engine(ABC):
    """Distances between the spectra of two sides, or of all pairs of one set.

    Parameters
    ----------
    left : array (n, L)
        Finite values.
    right : array (m, L) or None
        None for the pairs of `left` with itself, of which one of each two is computed.
    max_shift : int
        The largest lag S, smaller than L / 2.
    dtype : str
        "float32" or "float64", the precision of the result.
    """

    name: str
    """As in the settings."""

    def __init__(self, left: Array, right: Array | None, max_shift: int, dtype: str) -> None:
        self.left = left
        self.right = left if right is None else right
        self.is_square = right is None
        self.n_samples = left.shape[1]
        self.max_shift = max_shift
        self.n_lags = 2 * max_shift + 1
        self.dtype = dtype

    @property
    @abstractmethod
    def tile_size(self) -> int:
        """Spectra in a tile; the last tile may have fewer."""

    @property
    def panel_size(self) -> int:
        """Spectra in a panel, a divisor of the tile size."""
        return self.tile_size

    def tiles(self) -> list[slice]:
        """The left side, tile by tile."""
        return cut(0, len(self.left), self.tile_size)

    def panels(self, tile: slice) -> list[slice]:
        """The right side, panel by panel; of one set, from the beginning of the tile."""
        return cut(tile.start if self.is_square else 0, len(self.right), self.panel_size)

    def preparations(self) -> list[Callable[[], None]]:
        """Work to be done once, in any order and from any thread, before anything is asked."""
        return []

    def workspace(self) -> tuple[Array, ...]:
        """Scratch arrays of one thread, reused for all its pairs."""
        return ()

    @abstractmethod
    def nearest(
        self, tile: slice, panel: slice, workspace: tuple[Array, ...], out: Array
    ) -> npt.NDArray[np.bool_]:
        """Scaled squared distances of a tile and a panel at the lag where they are least.

        They may be negative by rounding. Of one set, pairs below the diagonal may be left out.

        Parameters
        ----------
        out : array (spectra of the tile, spectra of the panel)
            Receives the distances.

        Returns
        -------
        bool array, like `out`
            Where only the largest shift, to either side, attains it.
        """


def nearest_lag(lag_distances: Array, out: Array) -> npt.NDArray[np.bool_]:
    """`Engine.nearest` from the distances (2 S + 1, tile, panel) at every lag, which it changes."""
    if len(lag_distances) == 1:
        out[...] = lag_distances[0]
        return np.zeros(out.shape, np.bool_)
    inner = np.min(lag_distances[1:-1], axis=0)
    outer = np.minimum(lag_distances[0], lag_distances[-1], out=lag_distances[0])
    np.minimum(inner, outer, out=out)
    return outer < inner


def cut(start: int, stop: int, size: int) -> list[slice]:
    """Consecutive slices of `size` from start to stop; the last may be shorter."""
    return [slice(at, min(at + size, stop)) for at in range(start, stop, size)]
