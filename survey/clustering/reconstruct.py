"""The model cube: every spaxel has the shape of its cluster and its own flux."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.distances.shifts import align
from survey.spectra.grid import cell_widths
from survey.spectra.mask import fill_gaps

_BLOCK_SAMPLES = 2**21


def reconstruct(
    flux: NDArray[np.floating],
    labels: NDArray[np.integer],
    medians: NDArray[np.floating],
    shifts: NDArray[np.number],
    wavelength_um: NDArray[np.float64],
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Model of every spaxel that keeps its integrated flux, and the residual.

    Parameters
    ----------
    flux : (n, L) array of float, finite
    labels : (n,) array of int
        1..k.
    medians : (k, L) array
        Spectrum of every cluster, in the frame of its medoid, with a positive integral.
    shifts : (n,) array
        Shift of every spaxel against the medoid; the model is shifted back by it.
    wavelength_um : (L,) array

    Returns
    -------
    model, residual : (n, L) arrays
        In the dtype of `flux`; they add up to it. Samples shifted in from beyond the grid take
        the nearest value of the cluster's spectrum.
    """
    widths = cell_widths(wavelength_um)
    model = np.empty_like(flux)
    step = max(1, _BLOCK_SAMPLES // flux.shape[1])
    for start in range(0, len(flux), step):
        rows = slice(start, start + step)
        shape = align(medians[labels[rows] - 1], -shifts[rows])
        fill_gaps(shape, np.isnan(shape), wavelength_um)
        factor = (flux[rows] @ widths) / (shape @ widths)
        model[rows] = factor[:, None] * shape
    return model, flux - model
