"""Small galaxies of one or two spectra, known in every spaxel."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d

from survey.clustering.geometry import edge_of_field
from survey.spectra.psf.profiles import RoundProfile
from survey.validation.galaxy import PartitionedGalaxy
from survey.validation.noise_model import NoiseModel
from survey.validation.recluster import Data, Recipe
from survey.validation.separation import steps_to_border

SIDE, PLANES = 16, 240
WAVELENGTH_UM = 12.0 * np.exp(np.arange(PLANES) * 2e-4)
LINE_UM = (12.20, 12.22)


def spectra() -> np.ndarray:
    """Two spectra that differ in a bump and in a line."""
    along = np.linspace(-1, 1, PLANES)
    first = 1.0 + 0.2 * along
    second = first + 0.3 * np.exp(-(((along - 0.4) / 0.15) ** 2))
    line = np.exp(-(((WAVELENGTH_UM - 12.21) / 0.004) ** 2))
    return np.stack([first + 0.4 * line, second + 1.2 * line])


def galaxy_of(
    k: int = 2, noise: float = 0.03, seed: int = 0, fwhm_arcsec: float | None = None
) -> PartitionedGalaxy:
    """A galaxy whose right half has the second spectrum, if k is 2."""
    rng = np.random.default_rng(seed)
    y, x = (axis.ravel() for axis in np.indices((SIDE, SIDE)))
    labels = np.where((x >= SIDE // 2) & (k > 1), 2, 1).astype(np.int32)
    brightness = 5.0 * np.exp(-np.hypot(y - SIDE / 2, x - SIDE / 2) / 8)
    shapes = spectra()[:k]
    flux = brightness[:, None] * shapes[labels - 1]
    flux = (flux + noise * rng.standard_normal(flux.shape)).astype(np.float32)
    sigma = np.full(len(y), noise)
    field = np.ones((SIDE, SIDE), dtype=bool)
    return PartitionedGalaxy(
        data=Data(
            flux,
            sigma,
            WAVELENGTH_UM,
            np.ones(PLANES, dtype=bool),
            edge_of_field(field, 3.0)[y, x],
        ),
        recipe=Recipe(line_mask_um=(LINE_UM,), max_shift=2),
        labels=labels,
        medians=shapes.astype(np.float32),
        shifts=np.zeros(len(y), np.float32),
        unmixed=np.ones(len(y), dtype=bool),
        to_border=steps_to_border(labels, y, x),
        y=y,
        x=x,
        centre=(SIDE / 2, SIDE / 2),
        spaxel_arcsec=0.2,
        noise=NoiseModel.measured(flux, sigma, y, x),
        psf=None if fwhm_arcsec is None else RoundProfile(np.full(PLANES, fwhm_arcsec / 0.2)),
    )


def correlated(shape: tuple[int, int, int], b: float, seed: int = 1) -> np.ndarray:
    """White noise (y, x, L) smoothed along all axes with (b, 1, b), of unit variance."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    taps = np.array([b, 1, b]) / np.sqrt(1 + 2 * b**2)
    for axis in range(3):
        noise = correlate1d(noise, taps, axis=axis)
    return noise
