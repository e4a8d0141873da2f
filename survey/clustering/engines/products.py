"""Distances from inner products, measured from the mean spectrum.

With x = m + u, m the mean of the sample, the distance at lag s obeys a law of cosines,

    d_s(i, j) = d_s(i, m) + d_-s(j, m) - d_s(m, m) - 2 w_s <u_i, u_j>_s,

where <,>_s sums over the overlap and w_s = L / (L - |s|). It is exact for any m. Galaxies share
most of their spectrum, so with m the mean the terms are as small as the differences of
interest, which is what makes float32 usable: |x|^2 + |y|^2 - 2 <x, y> would lose them to rounding.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from survey.clustering.engines.base import Engine
from survey.clustering.lags import Array, CommonSpectrum


class ProductEngine(Engine):
    """The part shared by engines that compute -2 w_s <u_i, u_j>_s."""

    def __init__(self, spectra: Array, max_shift: int, dtype: str) -> None:
        super().__init__(spectra, max_shift, dtype)
        # A product with a constant vector is the fastest mean; its rounding is of no account.
        weights = np.full(self.n_spectra, 1.0 / self.n_spectra, spectra.dtype)
        self._mean = (weights @ spectra).astype(np.float64)
        self._common = CommonSpectrum(self._mean, max_shift)
        # d_s(i, m) - d_s(m, m) / 2: the same table serves both sides of a pair, lags reversed.
        self._terms = np.empty((self.n_lags, self.n_spectra), dtype)

    def prepare(self, tile: slice) -> None:
        """See `Engine.prepare`."""
        residuals = self.spectra[tile].astype(np.float64)
        residuals -= self._mean
        terms = self._common.distances(residuals) - 0.5 * self._common.self_distance
        self._terms[:, tile] = terms.T
        self._store(tile, residuals)

    def lag_distances(self, tile: slice, panel: slice, workspace: tuple[Array, ...]) -> Array:
        """See `Engine.lag_distances`."""
        distances = self._products(tile, panel, workspace)
        distances += self._terms[:, tile, None]
        distances += self._terms[::-1, None, panel]
        return distances

    @abstractmethod
    def _store(self, tile: slice, residuals: Array) -> None:
        """Keep the residuals u of a tile, float64 (spectra, L), in the form the products need."""

    @abstractmethod
    def _products(self, tile: slice, panel: slice, workspace: tuple[Array, ...]) -> Array:
        """-2 w_s <u_i, u_j>_s between a tile and a panel, in the shape of the lag distances."""
