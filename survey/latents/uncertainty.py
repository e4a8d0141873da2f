"""Uncertainties of latents from thinned spectra, and how often they are right.

Each draw keeps half of the exposure. The scatter of the latents of these draws is that of
independent exposures of the whole length, if latents respond linearly to the counts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from survey.latents.grid import Floats
from survey.latents.models.base import Representation
from survey.latents.spectra import SpectrumSet
from survey.latents.thinning import split

DRAWS = 16
KEPT = 0.5


def latent_uncertainty(
    model: Representation, spectra: SpectrumSet, *, draws: int = DRAWS, seed: int = 0
) -> Floats:
    """Standard deviations (n, k) of the latents of spectra."""
    rng = np.random.default_rng(seed)
    thinned = [model.transform(split(spectra, KEPT, rng)[0]) for _ in range(draws)]
    # A share p of the counts scatters by (1 - p) / p times the variance of the whole.
    return np.asarray(np.std(thinned, axis=0, ddof=1) * np.sqrt(KEPT / (1 - KEPT)))


def coverage_of_halves(model: Representation, spectra: SpectrumSet, *, seed: int = 0) -> float:
    """How often the latents of two halves differ by less than one standard deviation.

    It is 0.68 for uncertainties that are right. Needs no truth.
    """
    halves = split(spectra, 0.5, np.random.default_rng([seed, 1]))
    one, other = (model.transform(half) for half in halves)
    error = np.hypot(*(latent_uncertainty(model, half, seed=seed) for half in halves))
    return _share_within(one - other, error)


def coverage_of_repeats(
    model: Representation, spectra: SpectrumSet, expected: Floats, *, draws: int = 16, seed: int = 0
) -> float:
    """How often latents are within a standard deviation of their mean over new observations.

    New observations are drawn from the `expected` counts (n, p), which are known in simulations.
    """
    rng = np.random.default_rng([seed, 2])
    again = [
        model.transform(replace(spectra, values=rng.poisson(expected).astype(np.float64)))
        for _ in range(draws)
    ]
    error = latent_uncertainty(model, spectra, seed=seed)
    return _share_within(model.transform(spectra) - np.mean(again, axis=0), error)


def _share_within(difference: Floats, error: Floats) -> float:
    return float(np.mean(np.abs(difference) < np.maximum(error, 1e-12)))
