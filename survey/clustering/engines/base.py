"""The contract of a distance engine: lag distances of one tile of pairs at a time.

The spectra are cut into tiles of consecutive rows. An engine prepares every tile once and is
then asked for the distances between the spectra of two tiles at every lag; the search for the
nearest lag, the bookkeeping and the threads are the same for all engines and live elsewhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from survey.clustering.lags import Array


class Engine(ABC):
    """Distances between tiles of spectra.

    Parameters
    ----------
    spectra : array (n, L)
        Finite values.
    max_shift : int
        The largest lag S, smaller than L / 2.
    dtype : str
        "float32" or "float64", the precision of the result.
    """

    def __init__(self, spectra: Array, max_shift: int, dtype: str) -> None:
        self.spectra = spectra
        self.n_spectra, self.n_samples = spectra.shape
        self.max_shift = max_shift
        self.n_lags = 2 * max_shift + 1
        self.dtype = dtype
        self.n_tiles = -(-self.n_spectra // self.tile_size)

    @property
    @abstractmethod
    def tile_size(self) -> int:
        """Number of spectra in a tile (the last tile may have fewer)."""

    def rows(self, tile: int) -> slice:
        """The spectra of a tile."""
        start = tile * self.tile_size
        return slice(start, min(start + self.tile_size, self.n_spectra))

    def prepare(self, tile: int) -> None:  # noqa: B027 - an engine may have nothing to prepare
        """Compute what a tile contributes to all its pairs; called once, from any thread."""

    def workspace(self) -> tuple[Array, ...]:
        """Scratch arrays of one thread, reused for every tile; the last receives the result."""
        return (np.empty((self.n_lags, self.tile_size, self.tile_size), self.dtype),)

    @abstractmethod
    def lag_distances(self, first: int, second: int, workspace: tuple[Array, ...]) -> Array:
        """Scaled squared distances between the spectra of two tiles.

        Returns
        -------
        array (2 S + 1, rows of `first`, rows of `second`)
            A view of the workspace, overwritten by the next call. Values may be negative by
            rounding.
        """
