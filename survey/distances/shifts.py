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

TAPS = 5
"""Samples from which one at a fraction of a sample is interpolated."""

MOST_FRACTION = 0.49
"""A larger fraction is nearer to the next lag."""

# Spectra handled at a time, to bound the memory of the float64 residuals.
BATCH = 1024


def best_shifts(
    spectra: Array, reference: Array, max_shift: int, *, subsample: bool = False
) -> npt.NDArray[np.number]:
    """Shift of every spectrum at which its distance to the reference is least.

    Parameters
    ----------
    spectra : array (n, L)
        Finite spectra.
    reference : array (L,)
        A finite spectrum on the same grid.
    max_shift : int
        The largest shift S in samples, less than L / 2.
    subsample : bool
        Whether shifts are found to a fraction of a sample, from the parabola through the distances
        at the best lag and its neighbours; beside the largest lag they stay whole.

    Returns
    -------
    int array (n,), or float array for fractions
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
    shifts = np.empty(len(spectra), np.float64 if subsample else np.int_)
    for start in range(0, len(spectra), BATCH):
        batch = slice(start, start + BATCH)
        residuals = spectra[batch].astype(np.float64)
        residuals -= reference
        distances = common.distances(residuals)
        best = smallest_first[np.argmin(distances[:, smallest_first], axis=1)]
        shifts[batch] = lags[best]
        if subsample and max_shift:
            shifts[batch] = lags[best] + _fractions(distances, best)
    return shifts


def _fractions(distances: Array, best: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """By how much the least of a parabola is beside the best lag (n,), below half a sample."""
    inner = np.clip(best, 1, distances.shape[1] - 2)
    before, least, after = (
        np.take_along_axis(distances, (inner + step)[:, np.newaxis], axis=1)[:, 0]
        for step in (-1, 0, 1)
    )
    curvature = before + after - 2 * least
    offset = np.divide(
        (before - after) / 2, curvature, out=np.zeros_like(curvature), where=curvature > 0
    )
    return np.where(inner == best, np.clip(offset, -MOST_FRACTION, MOST_FRACTION), 0.0)


def align(spectra: Array, shifts: npt.NDArray[np.number]) -> Array:
    """Move every spectrum onto the reference its shift refers to.

    Fractions of a sample are interpolated by the fourth-order polynomial through five samples; at
    the ends of a spectrum, where there are not as many, only whole samples are shifted.

    Parameters
    ----------
    spectra : array (n, L)
        Spectra, NaN allowed.
    shifts : array (n,)
        As returned by `best_shifts`.

    Returns
    -------
    array (n, L)
        `aligned[i, k + shifts[i]] = spectra[i, k]`, NaN where that leaves no data.
    """
    n_samples = spectra.shape[1]
    aligned = np.full_like(spectra, np.nan)
    whole = np.rint(shifts).astype(np.intp)
    for shift in np.unique(whole):
        here, there = overlap(int(shift), n_samples)
        moved = whole == shift
        aligned[moved, there] = spectra[moved, here]
    weights = interpolation_weights(shifts)
    if np.array_equal(weights[:, TAPS // 2], np.ones(len(weights))):
        return aligned
    padded = np.pad(aligned, ((0, 0), (TAPS // 2, TAPS // 2)), constant_values=np.nan)
    between = sum(
        weights[:, tap, np.newaxis] * padded[:, tap : tap + n_samples] for tap in range(TAPS)
    )
    return np.where(np.isfinite(between), between, aligned).astype(aligned.dtype, copy=False)


def interpolation_weights(shifts: npt.NDArray[np.number]) -> npt.NDArray[np.float64]:
    """Weights (n, 5) of five neighbours by which `align` moves spectra by fractions of a sample."""
    place = np.rint(shifts) - shifts
    nodes = np.arange(TAPS) - TAPS // 2
    weights = np.ones((len(place), TAPS))
    for tap, node in enumerate(nodes):
        for other in nodes[nodes != node]:
            weights[:, tap] *= (place - other) / (node - other)
    return weights
