"""Noise and fringes of a simulated cube.

The noise of drizzled cubes is correlated between neighbouring spaxels and planes. White noise
is smoothed along each axis with (b, 1, b), which has the wanted correlation between
neighbours and almost none beyond, and scaled by a noise level that has a background part and
a photon part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from survey.simulate.instruments import MRS, law_of

Array = NDArray[np.floating]


def correlated_noise(
    shape: tuple[int, int, int], rng: np.random.Generator, instrument: str = MRS
) -> Array:
    """Gaussian noise of unit variance with the correlations of observed cubes.

    Returns
    -------
    (wavelength, y, x) float32 array
    """
    law = law_of(instrument, "noise")
    spectral, spatial = law["spectral_correlation"], law["spatial_correlation"]
    noise = rng.standard_normal([n + 2 for n in shape], dtype=np.float32)
    for axis, correlation in enumerate((spectral, spatial, spatial)):
        correlate1d(noise, _taps(correlation), axis=axis, output=noise)
    # The outermost layer has been smoothed with an invented outside.
    return noise[1:-1, 1:-1, 1:-1]


def noise_level(flux: Array, median_flux: float, depth: Array) -> Array:
    """Relative standard deviation of the noise: 1 where flux is `median_flux` at full depth.

    There, half the variance is background and half photons.

    Parameters
    ----------
    flux : (wavelength, y, x) array
        Noiseless cube.
    median_flux : float
        In the unit of `flux`.
    depth : (y, x) array
        Exposures per spaxel; spaxels without any get no noise.

    Returns
    -------
    (wavelength, y, x) float32 array
    """
    variance = (1 + np.clip(flux, 0, None) / median_flux) / 2
    share = np.divide(depth.max(), depth, out=np.zeros_like(depth), where=depth > 0)
    return np.sqrt(variance * share).astype(np.float32)


def fringes(
    wavelength_um: Array, shape: tuple[int, int], amplitude: float, rng: np.random.Generator
) -> Array:
    """Multiplicative fringes of MRS: one period in wavenumber, a drifting phase."""
    period_per_um = law_of(MRS, "fringes")["period_per_cm"] * 1e-4
    y, x = np.indices(shape) / max(shape)
    start, along_x, along_y = rng.uniform(0, 2 * np.pi, 3)
    phase = start + along_x * x + along_y * y
    cycles = 1 / (np.asarray(wavelength_um) * period_per_um)
    return 1 + amplitude * np.sin(2 * np.pi * cycles[:, None, None] + phase)


def _taps(correlation: float) -> Array:
    """Unit-power weights (b, 1, b) with the given correlation between neighbours.

    The autocorrelation at lag one is 2b / (1 + 2b^2).
    """
    b = (1 - np.sqrt(1 - 2 * correlation**2)) / (2 * correlation)
    return np.array([b, 1, b]) / np.sqrt(1 + 2 * b**2)
