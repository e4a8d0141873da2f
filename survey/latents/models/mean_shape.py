"""The mean shape of a set of spectra, and the scale of each spectrum against it."""

from __future__ import annotations

import numpy as np

from survey.errors import DataError
from survey.latents.grid import Floats
from survey.latents.models.likelihood import LEAST_POWER, TINY, flux_amplitude
from survey.latents.spectra import SpectrumSet

MEAN_ITERATIONS = 5


def mean_shape(spectra: SpectrumSet, relative: Floats | None = None) -> Floats:
    """The mean of the shapes (p,).

    Counts are first divided by `relative` (n, p), what responses make of their shapes.

    Of counts, the mean share of each bin, nowhere quite zero, which sums to one. Of flux
    densities, what fits all spectra best when each has its own amplitude; its mean is one.

    Raises
    ------
    DataError
        If there is no usable value at all.
    """
    if not spectra.mask.any() or not spectra.values.any():
        raise DataError("no usable values in any of the spectra", expected="some", found="none")
    if spectra.kind == "counts":
        bright = spectra.totals > 0
        share = spectra.values[bright] / spectra.totals[bright, np.newaxis]
        share = share if relative is None else share / relative[bright]
        usable = np.maximum(spectra.mask[bright].sum(axis=0), 1)
        shape = share.sum(axis=0) / usable
        shape += 1e-2 * shape.mean()
        return np.asarray(shape / shape.sum())
    assert spectra.ivar is not None
    shape = np.ones(len(spectra.grid))
    for _ in range(MEAN_ITERATIONS):
        scale = flux_scale(spectra, shape)[:, np.newaxis]
        # Relative to its own brightness every spectrum counts by its S/N, up to a limit:
        # otherwise the few brightest would be the mean.
        weight = spectra.ivar * scale**2
        weight = weight / (1 + weight / 100.0)
        power = weight.sum(axis=0)
        shape = np.where(power > 0, (weight * spectra.values / scale).sum(axis=0), 0.0)
        shape = np.where(power > 0, shape / np.maximum(power, TINY), 1.0)
        if abs(shape.mean()) < 1e-6 * np.abs(shape).max():
            raise DataError("the mean spectrum has no positive flux", found=f"{shape.mean():g}")
        shape /= shape.mean()
    return np.asarray(shape)


def flux_scale(spectra: SpectrumSet, shape: Floats) -> Floats:
    """Positive amplitudes (n,) of flux densities against a shape, not below their own error."""
    assert spectra.ivar is not None
    amplitude = flux_amplitude(spectra.values, spectra.ivar, shape)
    error = 1 / np.sqrt(np.maximum(np.sum(spectra.ivar * shape**2, axis=1), LEAST_POWER))
    return np.asarray(np.maximum(amplitude, np.where(spectra.mask.any(axis=1), error, 1.0)))


def filled(values: Floats, mask: np.ndarray, shape: Floats) -> Floats:
    """Values with the mean shape, scaled to them, where there are none (n, p)."""
    usable = np.where(mask, values * shape, 0.0).sum(axis=1)
    power = np.where(mask, shape**2, 0.0).sum(axis=1)
    scale = usable / np.maximum(power, TINY)
    return np.asarray(np.where(mask, values, scale[:, np.newaxis] * shape))
