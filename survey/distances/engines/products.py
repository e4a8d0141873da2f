"""Distances from inner products, measured from the mean spectrum.

With x = m + u, m the mean of the sample, the distance at lag s obeys a law of cosines,

    d_s(i, j) = d_s(i, m) + d_-s(j, m) - d_s(m, m) - 2 w_s <u_i, u_j>_s,

where <,>_s sums over the overlap and w_s = L / (L - |s|). It is exact for any m. Galaxies share
most of their spectrum, so with m the mean the terms are as small as the differences of
interest. So float32 is precise enough; |x|^2 + |y|^2 - 2 <x, y> would lose them to rounding.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from survey.distances.engines.base import Engine, cut
from survey.distances.lags import Array, CommonSpectrum


class ProductEngine(Engine):
    """The part shared by engines that compute -2 w_s <u_i, u_j>_s.

    Parameters
    ----------
    left, right, max_shift, dtype
        See `Engine`.
    mean : array (L,)
        The spectrum m; the nearer to all spectra, the less is lost to rounding.
    """

    def __init__(
        self,
        left: Array,
        right: Array | None,
        max_shift: int,
        dtype: str,
        mean: npt.NDArray[np.float64],
    ) -> None:
        super().__init__(left, right, max_shift, dtype)
        self._mean = mean
        self._common = CommonSpectrum(mean, max_shift)
        # d_s(i, m) - d_s(m, m) / 2: the same table serves both sides of a pair, lags reversed.
        self._left_terms = np.empty((self.n_lags, len(self.left)), dtype)
        self._right_terms = (
            self._left_terms if self.is_square else np.empty((self.n_lags, len(self.right)), dtype)
        )

    def preparations(self) -> list[Callable[[], None]]:
        """See `Engine.preparations`."""
        if self.is_square:
            return [partial(self._prepare, tile, left=True, right=True) for tile in self.tiles()]
        right = cut(0, len(self.right), self.tile_size)
        return [
            *(partial(self._prepare, tile, left=True, right=False) for tile in self.tiles()),
            *(partial(self._prepare, tile, left=False, right=True) for tile in right),
        ]

    def lag_distances(self, tile: slice, panel: slice, workspace: tuple[Array, ...]) -> Array:
        """See `Engine.lag_distances`."""
        distances = self._products(tile, panel, workspace)
        distances += self._left_terms[:, tile, None]
        distances += self._right_terms[::-1, None, panel]
        return distances

    def _prepare(self, tile: slice, *, left: bool, right: bool) -> None:
        residuals = (self.left if left else self.right)[tile].astype(np.float64)
        residuals -= self._mean
        terms = self._common.distances(residuals) - 0.5 * self._common.self_distance
        if left:
            self._left_terms[:, tile] = terms.T
            self._store_left(tile, residuals)
        if right:
            self._right_terms[:, tile] = terms.T
            self._store_right(tile, residuals)

    @abstractmethod
    def _store_left(self, tile: slice, residuals: Array) -> None:
        """Keep the residuals u of a tile, float64 (spectra, L), in the form the products need."""

    @abstractmethod
    def _store_right(self, tile: slice, residuals: Array) -> None:
        """The same for the right side, cut into slices of the size of a tile."""

    @abstractmethod
    def _products(self, tile: slice, panel: slice, workspace: tuple[Array, ...]) -> Array:
        """-2 w_s <u_i, u_j>_s between a tile and a panel, in the shape of the lag distances."""
