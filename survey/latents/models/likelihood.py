"""The likelihood of spectra, given a model with a free amplitude.

A representation has the shape of a spectrum; the amplitude of every spectrum is profiled, that is
set to its most likely value. The background is an additive term of the mean and is never
subtracted.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, xlogy

from survey.latents.grid import Floats
from survey.latents.spectra import Bools

TINY = 1e-12
LEAST_POWER = float(np.finfo(np.float64).tiny)
"""Below any inverse variance, whatever the unit of flux."""

NEWTON_STEPS = 60


def counts_amplitude(counts: Floats, shape: Floats, background: Floats, mask: Bools) -> Floats:
    """Amplitudes (n,) that make counts most likely under `amplitude * shape + background`.

    All arguments are (n, p), shapes not negative. The score is convex and falls with the
    amplitude: Newton's method, kept within bounds that close in.
    """
    shape, counts = np.where(mask, shape, 0.0), np.where(mask, counts, 0.0)
    norm = np.maximum(shape.sum(axis=1), TINY)
    low, high = np.zeros(len(counts)), counts.sum(axis=1) / norm
    amplitude = np.clip((counts - np.where(mask, background, 0.0)).sum(axis=1) / norm, 0, high)
    amplitude = np.maximum(amplitude, 0.01 * high)
    for _ in range(NEWTON_STEPS):
        rate = shape / np.maximum(amplitude[:, np.newaxis] * shape + background, TINY)
        score = (counts * rate).sum(axis=1) - norm
        slope = (counts * rate**2).sum(axis=1)
        low, high = np.where(score > 0, amplitude, low), np.where(score > 0, high, amplitude)
        step = amplitude + score / np.maximum(slope, TINY)
        inside = (step > low) & (step < high)
        new = np.where(inside, step, (low + high) / 2)
        if np.all(np.abs(new - amplitude) <= 1e-8 * (new + amplitude) + TINY):
            return np.asarray(new)
        amplitude = new
    return np.asarray(amplitude)


def flux_amplitude(flux: Floats, ivar: Floats, shape: Floats) -> Floats:
    """Amplitudes (n,) that fit flux densities best by inverse-variance weighted squares.

    `ivar` is zero where a value is not usable; `shape` is (n, p) or (p,).
    """
    power = np.sum(ivar * shape**2, axis=1)
    return np.asarray(np.sum(ivar * flux * shape, axis=1) / np.maximum(power, LEAST_POWER))


def poisson_log_likelihood(counts: Floats, mean: Floats, mask: Bools) -> Floats:
    """Log-likelihoods (n,) of counts (n, p) whose expected values are `mean`."""
    mean = np.maximum(mean, TINY)
    terms = xlogy(counts, mean) - mean - gammaln(counts + 1)
    return np.asarray(np.where(mask, terms, 0.0).sum(axis=1))


def poisson_deviance(counts: Floats, mean: Floats, mask: Bools) -> Floats:
    """Deviances (n,), also called C-statistic: twice the log-likelihood short of a perfect fit."""
    mean = np.maximum(mean, TINY)
    terms = 2 * (xlogy(counts, counts / mean) - counts + mean)
    return np.asarray(np.where(mask, terms, 0.0).sum(axis=1))


def gaussian_log_likelihood(flux: Floats, mean: Floats, ivar: Floats, mask: Bools) -> Floats:
    """Log-likelihoods (n,) of flux densities (n, p) with inverse variances `ivar`."""
    safe = np.where(mask, ivar, 1.0)
    terms = 0.5 * (np.log(safe / (2 * np.pi)) - safe * (flux - mean) ** 2)
    return np.asarray(np.where(mask, terms, 0.0).sum(axis=1))


def chi_square(flux: Floats, mean: Floats, ivar: Floats) -> Floats:
    """Weighted squares of residuals, summed (n,)."""
    return np.asarray((ivar * (flux - mean) ** 2).sum(axis=1))
