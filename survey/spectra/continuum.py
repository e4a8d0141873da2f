"""A smooth continuum under many spectra: running medians, joined by straight lines.

For comparing spectral shapes, where speed and robustness matter. The continuum under a measured
line is in `survey.features.continuum`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.spectra.grid import velocity_step_km_s
from survey.spectra.medians import masked_median

WIDTH_KM_S = 6000.0
"""Window of the running median: several times the broadest nuclear forbidden lines."""

_STEPS_PER_WINDOW = 4
_MIN_WINDOW = 9


def running_continuum(
    flux: NDArray[np.floating],
    wavelength_um: NDArray[np.float64],
    masked: NDArray[np.bool_] | None = None,
) -> NDArray[np.floating]:
    """Continuum of every spectrum, without the lines.

    Medians are taken in windows of `WIDTH_KM_S`, a quarter of a window apart, and interpolated
    linearly between the centres of the windows; beyond the outermost centres the continuum is
    constant. A window that is masked throughout is bridged.

    Parameters
    ----------
    flux : (n, L) array of float, finite
    wavelength_um : (L,) array
    masked : (L,) array of bool, optional
        Samples in known lines, which do not count.

    Returns
    -------
    (n, L) array in the dtype of `flux`
    """
    size = flux.shape[1]
    step_km_s = float(np.median(velocity_step_km_s(wavelength_um)))
    window = min(size, max(_MIN_WINDOW, round(WIDTH_KM_S / step_km_s)))
    starts = _window_starts(size, window)
    counted = np.ones(size, dtype=bool) if masked is None or masked.all() else ~masked

    windows = np.stack([counted[start : start + window] for start in starts])
    known = windows.any(axis=1)
    medians = np.stack(
        [
            masked_median(flux[:, start : start + window], inside)
            for start, inside in zip(starts[known], windows[known], strict=True)
        ],
        axis=1,
    )
    centres = starts[known] + 0.5 * (window - 1)
    return (medians @ _linear_weights(centres, size)).astype(flux.dtype)


def _window_starts(size: int, window: int) -> NDArray[np.intp]:
    count = 1 + round((size - window) / max(1, window // _STEPS_PER_WINDOW))
    return np.linspace(0, size - window, count).round().astype(np.intp)


def _linear_weights(centres: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Matrix that interpolates values at `centres` onto every sample."""
    identity = np.eye(len(centres))
    return np.stack([np.interp(np.arange(size), centres, row) for row in identity])
