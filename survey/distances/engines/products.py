"""Distances from inner products, measured from the mean spectrum.

With x = m + u, m the mean of the sample, the distance at lag s obeys a law of cosines,

    d_s(i, j) = d_s(i, m) + d_-s(j, m) - d_s(m, m) - 2 w_s <u_i, u_j>_s,

where <,>_s sums over the overlap and w_s = L / (L - |s|). It is exact for any m. Galaxies share
most of their spectrum, so with m the mean the terms are as small as the differences of
interest. So float32 is precise enough; |x|^2 + |y|^2 - 2 <x, y> would lose them to rounding.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from survey.distances.engines.base import Engine, cut
from survey.distances.lags import Array, CommonSpectrum

BATCH = 32
"""Spectra whose residuals are held at a time."""


class ProductEngine(Engine):
    """The part shared by engines that compute -2 w_s <u_i, u_j>_s and what is added to it.

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

    @property
    def preparation_size(self) -> int:
        """Spectra that are prepared at a time."""
        return self.tile_size

    def preparations(self) -> list[Callable[[], None]]:
        """See `Engine.preparations`."""
        left, right = (cut(0, len(side), self.preparation_size) for side in (self.left, self.right))
        if self.is_square:
            return [partial(self._prepare, part, left=True, right=True) for part in left]
        return [
            *(partial(self._prepare, part, left=True, right=False) for part in left),
            *(partial(self._prepare, part, left=False, right=True) for part in right),
        ]

    def _residuals(
        self, part: slice, *, left: bool
    ) -> Iterator[tuple[slice, npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
        """Some spectra of one side less the mean, few at a time, so that they stay in the cache.

        Yields
        ------
        slice
            Which spectra.
        residuals : array (spectra, L)
            u, overwritten by the next.
        terms : array (spectra, 2 S + 1)
            d_s(i, m) - d_s(m, m) / 2. They serve both sides of a pair, lags reversed.
        """
        spectra = self.left if left else self.right
        residuals = np.empty((min(BATCH, part.stop - part.start), self.n_samples))
        for rows in cut(part.start, part.stop, BATCH):
            batch = residuals[: rows.stop - rows.start]
            np.subtract(spectra[rows], self._mean, out=batch)
            yield rows, batch, self._common.distances(batch) - 0.5 * self._common.self_distance

    @abstractmethod
    def _prepare(self, part: slice, *, left: bool, right: bool) -> None:
        """Keep what the products need of some spectra of one side, or of both."""
