"""The shift of each spectrum relative to a reference, and alignment by it.

The shift that minimises the distance is also a measurement: the displacement of a spectrum from a
reference, for example the medoid of its cluster, and so the relative velocity of a spaxel.

Sign: a shift of s means x[k] ~ reference[k + s]. A line that the reference has at sample p is at
p - s in the spectrum, so a positive shift is a displacement to the blue, and on a log-linear
grid the velocity relative to the reference is -s times the velocity step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from survey.distances.lags import (
    Array,
    CommonSpectrum,
    lag_range,
    overlap,
    require_comparable,
)
from survey.errors import DataError

# Spectra handled at a time, to bound the memory of the float64 residuals.
BATCH = 1024


def best_shifts(spectra: Array, reference: Array, max_shift: int) -> npt.NDArray[np.int_]:
    """Shift of every spectrum at which its distance to the reference is least.

    Parameters
    ----------
    spectra : array (n, L)
        Finite spectra.
    reference : array (L,)
        A finite spectrum on the same grid.
    max_shift : int
        The largest shift S in samples, less than L / 2.

    Returns
    -------
    int array (n,)
        s with x[k] ~ reference[k + s]; of equally good shifts, the smallest.

    Raises
    ------
    DataError
        If spectra and reference cannot be compared.
    """
    spectra, reference = np.asarray(spectra), np.asarray(reference, np.float64)
    require_comparable(spectra, max_shift)
    require_comparable(reference[None], max_shift)
    if len(reference) != spectra.shape[1]:
        raise DataError(
            "the reference is on another grid",
            expected=f"{spectra.shape[1]} samples",
            found=f"{len(reference)}",
        )
    common = CommonSpectrum(reference, max_shift)
    lags = lag_range(max_shift)
    smallest_first = np.argsort(np.abs(lags), kind="stable")
    shifts = np.empty(len(spectra), np.int_)
    for start in range(0, len(spectra), BATCH):
        batch = slice(start, start + BATCH)
        residuals = spectra[batch].astype(np.float64)
        residuals -= reference
        distances = common.distances(residuals)
        shifts[batch] = lags[smallest_first][np.argmin(distances[:, smallest_first], axis=1)]
    return shifts


def align(spectra: Array, shifts: npt.NDArray[np.integer]) -> Array:
    """Move every spectrum onto the reference its shift refers to.

    Parameters
    ----------
    spectra : array (n, L)
        Spectra, NaN allowed.
    shifts : int array (n,)
        As returned by `best_shifts`.

    Returns
    -------
    array (n, L)
        `aligned[i, k + shifts[i]] = spectra[i, k]`, NaN where that leaves no data.
    """
    n_samples = spectra.shape[1]
    aligned = np.full_like(spectra, np.nan)
    for shift in np.unique(shifts):
        here, there = overlap(int(shift), n_samples)
        moved = shifts == shift
        aligned[moved, there] = spectra[moved, here]
    return aligned
