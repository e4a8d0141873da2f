"""Shifts between two spectra: which samples overlap, and how the overlap is weighted.

Everywhere in this package a shift, or lag, of s samples compares sample k of the first spectrum
with sample k + s of the second. Only samples that exist in both count, and the sum over them is
scaled to the full length. That rule, unlike zero-padding or wrapping around, treats the two
spectra alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from survey.errors import DataError

Array = npt.NDArray[np.floating]


def lag_range(max_shift: int) -> npt.NDArray[np.int_]:
    """All lags from -max_shift to max_shift, in increasing order."""
    return np.arange(-max_shift, max_shift + 1)


def overlap(lag: int, n_samples: int) -> tuple[slice, slice]:
    """Samples of the first and of the second spectrum that a lag compares."""
    n_common = n_samples - abs(lag)
    first, second = max(0, -lag), max(0, lag)
    return slice(first, first + n_common), slice(second, second + n_common)


def overlap_scale(max_shift: int, n_samples: int) -> Array:
    """Factor L / (L - |s|) for the samples lost at each lag."""
    return n_samples / (n_samples - np.abs(lag_range(max_shift)))


def require_comparable(spectra: Array, max_shift: int) -> None:
    """Refuse spectra that cannot be compared at all lags.

    Raises
    ------
    DataError
        If they are not a table (n, L), too short for the shift, or not finite.
    """
    if spectra.ndim != 2:
        raise DataError(
            "spectra must be rows of a table",
            expected="an array (spectra, samples)",
            found=f"shape {spectra.shape}",
        )
    if not 0 <= 2 * max_shift < spectra.shape[1]:
        raise DataError(
            "the shift does not fit the spectra",
            expected=f"a shift from 0 to less than half of {spectra.shape[1]} samples",
            found=str(max_shift),
            advice="Reduce the shift or widen the wavelength window",
        )
    if not np.isfinite(spectra).all():
        n_bad = np.count_nonzero(~np.isfinite(spectra).all(axis=1))
        raise DataError(
            "spectra with missing values cannot be compared",
            expected="finite values",
            found=f"NaN or infinity in {n_bad} of {len(spectra)} spectra",
            advice="Fill or drop them first",
        )


class CommonSpectrum:
    """A spectrum against which others are measured, at every lag.

    For x = m + u, with m the common spectrum, the distance of x to m at lag s is

        sum over the overlap of (u[k] + g_s[k])^2,    g_s[k] = m[k] - m[k + s],

    so it needs u only: the products of u with the 2 S + 1 differences g_s, and its squares. No
    large numbers are subtracted from one another however bright m is.

    Parameters
    ----------
    spectrum : array (L,)
        The common spectrum m.
    max_shift : int
        The largest lag S.

    Attributes
    ----------
    difference : (L, 2 S + 1) array
        g_s, zero outside the overlap.
    """

    def __init__(self, spectrum: Array, max_shift: int) -> None:
        n_samples = len(spectrum)
        self.max_shift = max_shift
        self.scale = overlap_scale(max_shift, n_samples)
        self.difference = np.zeros((n_samples, len(self.scale)))
        for column, lag in enumerate(lag_range(max_shift)):
            here, there = overlap(lag, n_samples)
            self.difference[here, column] = spectrum[here] - spectrum[there]
        self.self_distance = self.scale * np.sum(self.difference**2, axis=0)

    def distances(self, residuals: Array) -> Array:
        """Scaled squared distance, at each lag, of m + u to m.

        Parameters
        ----------
        residuals : float64 array (n, L)
            The spectra less the common one, u.

        Returns
        -------
        float64 array (n, 2 S + 1)
        """
        unscaled = residuals @ self.difference
        unscaled *= 2.0
        unscaled += np.vecdot(residuals, residuals)[:, None]
        if self.max_shift:
            self._remove_edges(unscaled, residuals)
        return unscaled * self.scale + self.self_distance

    def _remove_edges(self, unscaled: Array, residuals: Array) -> None:
        """Take away the squares of the samples that a lag pushes out of the overlap."""
        max_shift = self.max_shift
        first = np.cumsum(residuals[:, :max_shift] ** 2, axis=1)
        last = np.cumsum(residuals[:, : -max_shift - 1 : -1] ** 2, axis=1)
        unscaled[:, :max_shift] -= first[:, ::-1]
        unscaled[:, max_shift + 1 :] -= last
