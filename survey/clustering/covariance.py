"""Correlated noise of neighbouring spaxels, and the error of averages with it.

Resampling onto the grid of the cube spreads one detector pixel over several spaxels
(neighbours in MRS channel 4 have correlations of 0.4 to 0.7), so that n spaxels are worth
fewer than n measurements. The correlation is measured on residuals as a function of the
separation on the sky. The error of an average follows from the pairs of spaxels at each separation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from survey.spectra.medians import masked_median
from survey.spectra.noise import SIGMA_PER_CLIPPED_MAD

REACH = 3
"""Largest separation in spaxels, along y and along x, at which noise may be shared."""

SEPARATIONS = tuple(
    (dy, dx) for dy in range(REACH + 1) for dx in range(-REACH, REACH + 1) if (dy, dx) > (0, 0)
)
"""Half of the separations (dy, dx); the other half are the same pairs."""

_CLIP_SIGMA = 4.0
_LEVEL_WINDOW = 51
_STRIDE = 4


class SharedNoise:
    """Accumulates residuals, a block of wavelengths at a time, and gives the errors of averages.

    Parameters
    ----------
    y, x : (n,) arrays of int
        Positions of the spaxels in the image.
    size : int
        Number of wavelengths.
    """

    def __init__(self, y: NDArray[np.integer], x: NDArray[np.integer], size: int) -> None:
        self._pairs = _pairs_by_separation(y, x)
        self._products = np.zeros(len(SEPARATIONS))
        self._power = np.zeros(len(SEPARATIONS))
        self._level = np.full(size, np.nan)

    def add(self, residuals: NDArray[np.float64], samples: slice) -> None:
        """Take in residuals (n, m) over the noise of each spaxel, NaN where there are none."""
        known = np.isfinite(residuals)
        level = SIGMA_PER_CLIPPED_MAD * masked_median(np.abs(residuals.T), known.T)
        self._level[samples] = level
        # A few samples are enough for the correlation: neighbouring samples are similar.
        level, residuals = level[::_STRIDE], residuals[:, ::_STRIDE]
        unit = np.where(known[:, ::_STRIDE], residuals, 0.0) / np.where(level > 0, level, 1.0)
        unit = unit.clip(-_CLIP_SIGMA, _CLIP_SIGMA)
        power = np.square(unit).sum(axis=1)
        for s, (first, second) in enumerate(self._pairs):
            self._products[s] += np.einsum("ij,ij->", unit[first], unit[second])
            self._power[s] += 0.5 * (power[first].sum() + power[second].sum())

    @property
    def level(self) -> NDArray[np.float64]:
        """(L,) noise at every wavelength over the noise of the spaxel; 1 where unknown.

        A running median: at a line the residuals are large because spaxels differ there.
        """
        known = np.flatnonzero(self._level > 0)
        if not len(known):
            return np.ones_like(self._level)
        level = np.interp(np.arange(len(self._level)), known, self._level[known])
        return median_filter(level, size=_LEVEL_WINDOW, mode="nearest")

    @property
    def correlation(self) -> NDArray[np.float64]:
        """Correlation at each of `SEPARATIONS`; zero where no two spaxels are that far apart."""
        power = np.where(self._power > 0, self._power, 1.0)
        return (self._products / power).clip(-1.0, 1.0)

    def variance_of_mean(self, labels: NDArray[np.integer]) -> NDArray[np.float64]:
        """Variance (k,) of the mean over each cluster 1..k, for unit variance of a spaxel."""
        count = np.bincount(labels)[1:]
        return self._variance(labels, self.correlation) / count**2

    def variance_of_sum(
        self, labels: NDArray[np.integer], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Variance (k,) of the sum over each cluster 1..k, of spaxels of different noise (n,)."""
        return self._variance(labels, self.correlation, noise)

    def variance_of_median(self, labels: NDArray[np.integer]) -> NDArray[np.float64]:
        """The same for the median of normal noise.

        A median averages signs: those of two normal variables of correlation r have the
        correlation (2/pi) asin r, and the error is sqrt(pi/2) times larger, for many spaxels.
        """
        count = np.bincount(labels)[1:]
        signs = self._variance(labels, 2.0 / np.pi * np.arcsin(self.correlation)) / count**2
        return signs * (1.0 + (0.5 * np.pi - 1.0) * (1.0 - 1.0 / count))

    def _variance(
        self,
        labels: NDArray[np.integer],
        correlation: NDArray[np.float64],
        noise: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Variance of sums over the clusters, of unit noise if none is given."""
        noise = np.ones(len(labels)) if noise is None else noise
        alone = np.bincount(labels, noise**2)[1:]
        total = alone.copy()
        for (first, second), value in zip(self._pairs, correlation, strict=True):
            same = labels[first] == labels[second]
            first, second = first[same], second[same]
            shared = np.bincount(labels[first], noise[first] * noise[second], len(alone) + 1)
            total += 2.0 * value * shared[1:]
        # Sharing noise never helps: a negative sum is an accident of few pairs.
        return np.maximum(total, alone)


def _pairs_by_separation(
    y: NDArray[np.integer], x: NDArray[np.integer]
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    row, column = y - y.min() + REACH, x - x.min() + REACH
    spaxel = np.full((row.max() + REACH + 1, column.max() + REACH + 1), -1)
    spaxel[row, column] = np.arange(len(y))
    pairs = []
    for dy, dx in SEPARATIONS:
        other = spaxel[row + dy, column + dx]
        first = np.flatnonzero(other >= 0)
        pairs.append((first, other[first]))
    return pairs
