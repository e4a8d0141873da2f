"""The photometric centre of a galaxy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

CENTROID_RADIUS_SPAXELS = 3.0
"""Aperture of the photometric centre: wide enough for the core of the PSF of MRS and MUSE."""

_CENTROID_ROUNDS = 20


def photometric_centre(
    brightness: NDArray[np.floating], y: NDArray[np.integer], x: NDArray[np.integer]
) -> tuple[float, float]:
    """Centre (y, x) of the light: centroid in a small aperture that follows the peak.

    The image is median-filtered first, so that a single hot spaxel is not taken for a nucleus. The
    light of the faintest spaxel of the aperture is subtracted from all; otherwise a bright disc
    would move the centroid to the middle of the aperture.

    Parameters
    ----------
    brightness : (n,) array
        Surface brightness, collapsed over wavelength.
    y, x : (n,) arrays of int
    """
    row, column = y - y.min(), x - x.min()
    image = np.full((row.max() + 1, column.max() + 1), brightness.min(), dtype=np.float64)
    image[row, column] = brightness
    smooth = median_filter(image, size=3, mode="nearest")
    light = smooth[row, column]
    peak = int(np.argmax(light))
    centre = np.array([y[peak], x[peak]], dtype=np.float64)
    for _ in range(_CENTROID_ROUNDS):
        inside = np.hypot(y - centre[0], x - centre[1]) <= CENTROID_RADIUS_SPAXELS
        weight = light[inside] - light[inside].min()
        if not weight.sum() > 0:
            break
        centre = np.average([y[inside], x[inside]], axis=1, weights=weight)
    return float(centre[0]), float(centre[1])


def centre_of_field(
    mean_flux: NDArray[np.floating], y: NDArray[np.integer], x: NDArray[np.integer]
) -> tuple[float, float]:
    """Photometric centre (y, x) of all spaxels with data: the nucleus may not be clustered.

    Parameters
    ----------
    mean_flux : (N,) array
        NaN for one without data; of some it must be finite.
    y, x : (N,) arrays of int
    """
    seen = np.isfinite(mean_flux)
    return photometric_centre(mean_flux[seen], y[seen], x[seen])
