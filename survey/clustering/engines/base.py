"""The contract of a distance engine: lag distances of a rectangle of pairs at a time.

The spectra are cut into tiles of consecutive rows, and a tile into one or more panels. An engine
prepares every tile once and is then asked for the distances between the spectra of a tile and of
a panel at every lag; the search for the nearest lag, the bookkeeping and the threads are the same
for all engines and live elsewhere.
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

    @property
    @abstractmethod
    def tile_size(self) -> int:
        """Spectra in a tile; the last tile may have fewer."""

    @property
    def panel_size(self) -> int:
        """Spectra in a panel, a divisor of the tile size."""
        return self.tile_size

    def tiles(self) -> list[slice]:
        """The spectra, tile by tile."""
        return self._cut(0, self.tile_size)

    def panels(self, tile: slice) -> list[slice]:
        """The spectra from the beginning of a tile to the last, panel by panel."""
        return self._cut(tile.start, self.panel_size)

    def _cut(self, start: int, size: int) -> list[slice]:
        starts = range(start, self.n_spectra, size)
        return [slice(start, min(start + size, self.n_spectra)) for start in starts]

    def prepare(self, tile: slice) -> None:  # noqa: B027 - an engine may have nothing to prepare
        """Compute what a tile contributes to all its pairs; called once, from any thread."""

    def workspace(self) -> tuple[Array, ...]:
        """Scratch arrays of one thread, reused for all its pairs; the last receives the result."""
        return (np.empty((self.n_lags, self.tile_size, self.panel_size), self.dtype),)

    @abstractmethod
    def lag_distances(self, tile: slice, panel: slice, workspace: tuple[Array, ...]) -> Array:
        """Scaled squared distances between the spectra of a tile and those of a panel.

        Returns
        -------
        array (2 S + 1, spectra of the tile, spectra of the panel)
            A view of the workspace, overwritten by the next call. Values may be negative by
            rounding.
        """
