"""Wavelength grids: rest frame, windows, and steps of constant velocity.

A shift in samples is one velocity only on a grid that is uniform in log wavelength. The linear grid
of MIRI/MRS is resampled onto such a grid when the shift is given in km/s; grids that are
logarithmic already (MaNGA) stay unchanged. On other grids a shift counts samples of any width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from survey.errors import DataError
from survey.spectra.constants import LIGHT_KM_S

MIN_WINDOW_COVERAGE = 0.8
"""Fraction of a window that the cube must cover."""

MOST_SAMPLES_PER_PLANE = 20
"""On a uniform grid; all channels of MIRI/MRS on the finest of their steps need 3."""


def rest_wavelength(wavelength_um: NDArray[np.float64], redshift: float) -> NDArray[np.float64]:
    """Rest-frame wavelength, ``wavelength_um / (1 + redshift)``.

    Raises
    ------
    DataError
        If the redshift is unknown (NaN) or not above -1.
    """
    if not redshift > -1.0:
        raise DataError(
            "the redshift of the target is unknown or impossible",
            expected="a redshift above -1",
            found=str(redshift),
            advice="Give it in the targets table or with --redshift.",
        )
    return np.asarray(wavelength_um, dtype=np.float64) / (1.0 + redshift)


def window_planes(
    wavelength_um: NDArray[np.float64], window_um: tuple[float, float] | None
) -> slice:
    """The contiguous planes inside a window, or all of them for None.

    A window named after a channel is never covered to its end: redshift moves the channel to
    shorter wavelengths. The part that is covered is used, if it is most of the window.

    Raises
    ------
    DataError
        If the planes cover less than `MIN_WINDOW_COVERAGE` of the window.
    """
    if window_um is None:
        return slice(0, len(wavelength_um))
    low, high = window_um
    first, last = _cell_edges(wavelength_um)[[0, -1]]
    covered = min(high, last) - max(low, first)
    if not covered >= MIN_WINDOW_COVERAGE * (high - low) > 0:
        raise DataError(
            "the cube does not cover the wavelength window",
            expected=f"rest-frame planes from {low:g} to {high:g} um",
            found=f"{wavelength_um[0]:.4f} to {wavelength_um[-1]:.4f} um",
            advice='Choose another window, or "full".',
        )
    start = np.searchsorted(wavelength_um, low, side="left")
    stop = np.searchsorted(wavelength_um, high, side="right")
    return slice(int(start), int(stop))


def cell_widths(wavelength_um: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width of the wavelength cell of every sample, in the unit of the grid."""
    return np.diff(_cell_edges(wavelength_um))


def velocity_step_km_s(wavelength_um: NDArray[np.float64]) -> NDArray[np.float64]:
    """Velocity width of every sample, ``c d(ln wavelength)``."""
    return LIGHT_KM_S * np.gradient(np.log(wavelength_um))


def log_grid(low_um: float, high_um: float, step_km_s: float) -> NDArray[np.float64]:
    """Wavelengths from `low_um` to at most `high_um`, `step_km_s` apart in velocity."""
    log_step = step_km_s / LIGHT_KM_S
    # The tolerance keeps the last sample of a grid that is logarithmic already.
    count = int(np.log(high_um / low_um) / log_step + 1e-6) + 1
    return low_um * np.exp(log_step * np.arange(count))


def check_finer(n_sample: float, n_plane: int, *, file: str | None = None) -> None:
    """Check that a uniform grid is not many times finer than the planes it is made of.

    Raises
    ------
    DataError
        If it is, as of planes in tiny steps with one large gap: it would fill the memory.
    """
    if not n_sample <= MOST_SAMPLES_PER_PLANE * n_plane:
        raise DataError(
            "the steps of the wavelengths are too uneven for one uniform grid",
            file=file,
            expected=f"{MOST_SAMPLES_PER_PLANE * n_plane} samples or fewer for {n_plane} planes",
            found=f"{n_sample:.6g} at their usual step",
            advice="Look at the wavelengths of the cube, or choose a window without the gap",
        )


def resampling_matrix(
    source_um: NDArray[np.float64],
    target_um: NDArray[np.float64],
    usable: NDArray[np.bool_] | None = None,
) -> tuple[sparse.csr_array, NDArray[np.float64]]:
    """Weights that average samples on one grid over the cells of another.

    Every target sample is the mean of the source over its cell, so that the integral over any
    run of whole cells, hence the flux of a line, is the same before and after, which linear
    interpolation does not promise. Variances of independent samples go through the squares of
    the same weights.

    Parameters
    ----------
    source_um : (L,) array
    target_um : (M,) array
        Increasing wavelengths, both in micron.
    usable : (L,) array of bool, optional
        Source samples that may be used; the others count as absent.

    Returns
    -------
    weights : (M, L) sparse array
        Each row sums to one, or is empty where no usable sample falls in the cell.
    coverage : (M,) array
        Fraction of each target cell that usable samples cover.
    """
    source, target = _cell_edges(source_um), _cell_edges(target_um)
    first = np.clip(np.searchsorted(source, target[:-1], side="right") - 1, 0, len(source_um) - 1)
    last = np.clip(np.searchsorted(source, target[1:], side="left") - 1, 0, len(source_um) - 1)
    counts = np.maximum(last - first + 1, 0)
    rows = np.repeat(np.arange(len(target_um)), counts)
    columns = np.arange(len(rows)) + np.repeat(first - np.cumsum(counts) + counts, counts)
    overlap = np.minimum(target[rows + 1], source[columns + 1]) - np.maximum(
        target[rows], source[columns]
    )
    overlap = overlap.clip(min=0.0)
    if usable is not None:
        overlap *= usable[columns]
    covered = np.bincount(rows, overlap, minlength=len(target_um))
    weights = overlap / np.where(covered > 0, covered, 1.0)[rows]
    shape = (len(target_um), len(source_um))
    matrix = sparse.csr_array((weights, (rows, columns)), shape=shape)
    return matrix, covered / np.diff(target)


def resample(flux: NDArray[np.floating], weights: sparse.csr_array) -> NDArray[np.floating]:
    """Spectra (n, L) on the grid of a `resampling_matrix`, (n, M), in the dtype of `flux`."""
    return np.ascontiguousarray((weights.astype(flux.dtype) @ flux.T).T)


def _cell_edges(wavelength_um: NDArray[np.float64]) -> NDArray[np.float64]:
    between = 0.5 * (wavelength_um[1:] + wavelength_um[:-1])
    first = 1.5 * wavelength_um[0] - 0.5 * wavelength_um[1]
    last = 1.5 * wavelength_um[-1] - 0.5 * wavelength_um[-2]
    return np.concatenate([[first], between, [last]])
