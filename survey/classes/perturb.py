"""Perturbed fluxes: one draw of the Monte Carlo from measured fluxes.

The true flux is positive and the measurement is Gaussian, so a draw comes from a Gaussian around
the measured value, truncated at zero. For a bright line that is the usual perturbation. For a line
that was not detected it is the one-sided distribution whose 99.7% quantile is its upper limit
(`survey.features.limits`).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from survey.classes.ratios import FeatureFluxes
from survey.classes.types import Floats

MOST_NEGATIVE_SIGMA = -30.0
"""Below this the area of the tail underflows."""


def draw_fluxes(fluxes: FeatureFluxes, rng: np.random.Generator) -> Floats:
    """Draw positive fluxes (N, M); NaN where nothing was measured."""
    return _positive_normal(fluxes.flux, fluxes.error, rng)


def draw_normal(value: Floats, error: Floats, rng: np.random.Generator) -> Floats:
    """Draw values of any sign about `value`."""
    return value + error * rng.standard_normal(value.shape)


def _positive_normal(mean: Floats, sigma: Floats, rng: np.random.Generator) -> Floats:
    """By inversion of the distribution function, in its lower tail, where it is precise."""
    uniform = 1.0 - rng.random(mean.shape)  # above 0, where the inverse is infinite
    with np.errstate(divide="ignore", invalid="ignore"):
        start = np.maximum(mean / sigma, MOST_NEGATIVE_SIGMA)
        return np.where(sigma > 0, sigma * (start - ndtri(uniform * ndtr(start))), mean)
