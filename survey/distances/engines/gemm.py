"""One matrix product per lag: the engine for no shift, very few lags, or short spectra."""

from __future__ import annotations

from math import isqrt

import numpy as np
import numpy.typing as npt

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
        self._right = self._left if self.is_square else np.empty(self.right.shape, dtype)

    @property
    def tile_size(self) -> int:
        """See `Engine.tile_size`: the more lags, the smaller the tile."""
        return isqrt(TILE_VALUES // self.n_lags)

    def _store_left(self, tile: slice, residuals: Array) -> None:
        self._left[tile] = residuals

    def _store_right(self, tile: slice, residuals: Array) -> None:
        if not self.is_square:
            self._right[tile] = residuals

    def _products(self, tile: slice, panel: slice, workspace: tuple[Array, ...]) -> Array:
        left, right = self._left[tile], self._right[panel]
        products = workspace[0][:, : len(left), : len(right)]
        for out, lag, scale in zip(
            products, lag_range(self.max_shift), self._common.scale, strict=True
        ):
            here, there = overlap(lag, self.n_samples)
            np.matmul(left[:, here], right[:, there].T, out=out)
            out *= -2.0 * scale
        return products


def multiplications_per_pair(n_samples: int, max_shift: int) -> int:
    """Multiplications that this engine spends on one pair of spectra."""
    return (2 * max_shift + 1) * n_samples
