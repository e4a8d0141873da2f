"""One matrix product per lag, with arrays of any array API library, for example on a GPU.

On a GPU the products are cheap, but starting one takes time. So tiles are large, and everything is
computed on the device. Only the distances at the nearest lag come back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import isqrt
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from survey.distances.engines.base import Engine, cut
from survey.distances.lags import Array, CommonSpectrum, lag_range, overlap

# A tile's distances at one lag; a few of them are held at a time.
PLANE_BYTES = 64 * 2**20


class Arrays(Protocol):
    """A library of arrays, and the device on which it keeps them."""

    name: str
    """Of the device, as in "cuda"."""

    xp: Any
    """The functions of the array API standard."""

    def put(self, values: npt.NDArray[Any]) -> Any:
        """A copy on the device."""

    def get(self, array: Any) -> npt.NDArray[Any]:
        """A copy in NumPy."""


class ArrayEngine(Engine):
    """Inner products of the overlapping samples by matrix multiplication on a device.

    The device holds the spectra of both sides, in the precision of the result, and a few
    planes of distances.

    Parameters
    ----------
    left, right, max_shift, dtype, mean
        See `survey.distances.engines.products.ProductEngine`, whose law of cosines this is.
    arrays : Arrays
    """

    def __init__(
        self,
        left: Array,
        right: Array | None,
        max_shift: int,
        dtype: str,
        mean: npt.NDArray[np.float64],
        arrays: Arrays,
    ) -> None:
        super().__init__(left, right, max_shift, dtype)
        self.name = f"gemm on {arrays.name}"
        self._arrays = arrays
        self._xp = arrays.xp
        self._common = CommonSpectrum(mean, max_shift)
        self._mean = arrays.put(mean)
        self._difference = arrays.put(self._common.difference)
        self._scale = arrays.put(self._common.scale)
        self._self_distance = arrays.put(self._common.self_distance)
        # Of every tile its residuals u, and d_s(i, m) - d_s(m, m) / 2.
        self._left: dict[int, tuple[Any, Any]] = {}
        self._right = self._left if self.is_square else {}

    @property
    def tile_size(self) -> int:
        """See `Engine.tile_size`."""
        return isqrt(PLANE_BYTES // np.dtype(self.dtype).itemsize)

    def preparations(self) -> list[Callable[[], None]]:
        """See `Engine.preparations`."""
        sides = [(self.left, self._left)]
        if not self.is_square:
            sides.append((self.right, self._right))
        return [
            partial(self._prepare, spectra, tile, prepared)
            for spectra, prepared in sides
            for tile in cut(0, len(spectra), self.tile_size)
        ]

    def nearest(
        self, tile: slice, panel: slice, workspace: tuple[Array, ...], out: Array
    ) -> npt.NDArray[np.bool_]:
        """See `Engine.nearest`."""
        xp, planes = self._xp, self._planes(tile, panel)
        outer = next(planes)
        if self.n_lags == 1:
            out[...] = self._arrays.get(outer)
            return np.zeros(out.shape, np.bool_)
        inner = next(planes)
        for _ in range(self.n_lags - 3):
            inner = xp.minimum(inner, next(planes))
        outer = xp.minimum(outer, next(planes))
        out[...] = self._arrays.get(xp.minimum(inner, outer))
        return self._arrays.get(outer < inner)

    def _planes(self, tile: slice, panel: slice) -> Iterator[Any]:
        """Distances (tile, panel) at one lag after the other."""
        xp = self._xp
        left, left_terms = self._left[tile.start]
        right, right_terms = self._right[panel.start]
        for number, lag in enumerate(lag_range(self.max_shift)):
            here, there = overlap(int(lag), self.n_samples)
            products = left[:, here] @ xp.matrix_transpose(right[:, there])
            products *= -2.0 * float(self._common.scale[number])
            products += left_terms[:, number][:, None]
            products += right_terms[:, self.n_lags - 1 - number][None, :]
            yield products

    def _prepare(self, spectra: Array, tile: slice, prepared: dict[int, tuple[Any, Any]]) -> None:
        xp = self._xp
        residuals = xp.astype(self._arrays.put(spectra[tile]), xp.float64) - self._mean
        terms = self._to_mean(residuals) - 0.5 * self._self_distance
        dtype = getattr(xp, self.dtype)
        prepared[tile.start] = xp.astype(residuals, dtype), xp.astype(terms, dtype)

    def _to_mean(self, residuals: Any) -> Any:
        """`CommonSpectrum.distances`, on the device."""
        xp, shift = self._xp, self.max_shift
        unscaled = 2.0 * (residuals @ self._difference)
        unscaled += xp.vecdot(residuals, residuals)[:, None]
        if shift:
            # A lag pushes the squares of the samples at one end out of the overlap.
            first = xp.cumulative_sum(residuals[:, :shift] ** 2, axis=1)
            last = xp.cumulative_sum(xp.flip(residuals[:, -shift:], axis=1) ** 2, axis=1)
            unscaled[:, :shift] -= xp.flip(first, axis=1)
            unscaled[:, shift + 1 :] -= last
        return unscaled * self._scale + self._self_distance
