"""One matrix product per lag: the engine for no shift, very few lags, or short spectra."""

from __future__ import annotations

from math import isqrt

import numpy as np
import numpy.typing as npt

from survey.distances.engines.base import nearest_lag
from survey.distances.engines.products import ProductEngine
from survey.distances.lags import Array, lag_range, overlap

# Lag distances of one tile: a large tile lets BLAS work at full speed, a small one saves memory.
TILE_VALUES = 512**2


class GemmEngine(ProductEngine):
    """Inner products of the overlapping samples by matrix multiplication."""

    name = "gemm"

    def __init__(
        self,
        left: Array,
        right: Array | None,
        max_shift: int,
        dtype: str,
        mean: npt.NDArray[np.float64],
    ) -> None:
        super().__init__(left, right, max_shift, dtype, mean)
        self._left = np.empty(self.left.shape, dtype)
        self._left_terms = np.empty((self.n_lags, len(self.left)), dtype)
        self._right, self._right_terms = self._left, self._left_terms
        if not self.is_square:
            self._right = np.empty(self.right.shape, dtype)
            self._right_terms = np.empty((self.n_lags, len(self.right)), dtype)

    @property
    def tile_size(self) -> int:
        """See `Engine.tile_size`: the more lags, the smaller the tile."""
        return isqrt(TILE_VALUES // self.n_lags)

    def workspace(self) -> tuple[Array, ...]:
        """See `Engine.workspace`: distances at every lag."""
        return (np.empty((self.n_lags, self.tile_size, self.panel_size), self.dtype),)

    def nearest(
        self, tile: slice, panel: slice, workspace: tuple[Array, ...], out: Array
    ) -> npt.NDArray[np.bool_]:
        """See `Engine.nearest`."""
        left, right = self._left[tile], self._right[panel]
        distances = workspace[0][:, : len(left), : len(right)]
        for at_lag, lag, scale in zip(
            distances, lag_range(self.max_shift), self._common.scale, strict=True
        ):
            here, there = overlap(lag, self.n_samples)
            np.matmul(left[:, here], right[:, there].T, out=at_lag)
            at_lag *= -2.0 * scale
        distances += self._left_terms[:, tile, None]
        distances += self._right_terms[::-1, None, panel]
        return nearest_lag(distances, out)

    def _prepare(self, part: slice, *, left: bool, right: bool) -> None:
        stored, stored_terms = self._right, self._right_terms
        if left:
            stored, stored_terms = self._left, self._left_terms
        for rows, residuals, terms in self._residuals(part, left=left):
            stored[rows], stored_terms[:, rows] = residuals, terms.T


def multiplications_per_pair(n_samples: int, max_shift: int) -> int:
    """Multiplications that this engine spends on one pair of spectra."""
    return (2 * max_shift + 1) * n_samples
