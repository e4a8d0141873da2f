"""Uncertainties of latents, and how often they are right.

Of counts, new observations are drawn from what a model expects of a spectrum, and encoded: their
scatter is that of the latents. A model that is calibrated (`survey.latents.calibration`) multiplies
it by a factor that depends on the counts. Flux is thinned instead: each draw keeps half of the
exposure, and the scatter is that of independent exposures of the whole length, if latents respond
linearly.
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


def latent_draws(
    model: Representation,
    spectra: SpectrumSet,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    latents: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Latents (draws, n, k) of new observations of spectra of counts, and their counts (draws, n).

    Parameters
    ----------
    model : Representation
    spectra : SpectrumSet
    draws, seed : int
    latents : array (n, k), optional
        Those of the spectra, where they are known already.
    """
    rng = np.random.default_rng(seed)
    mean = np.where(spectra.mask, model.expected(spectra, latents), 0.0)
    found, totals = [], []
    for _ in range(draws):
        again = replace(spectra, values=rng.poisson(mean).astype(np.float64))
        found.append(model.transform(again))
        totals.append(again.totals)
    return np.stack(found), np.stack(totals)


def latent_uncertainty(
    model: Representation, spectra: SpectrumSet, *, draws: int = DRAWS, seed: int = 0
) -> Floats:
    """Standard deviations (n, k) of the latents of spectra."""
    if spectra.kind == "counts":
        found, _ = latent_draws(model, spectra, draws=draws, seed=seed)
        error = np.std(found, axis=0, ddof=1)
        if model.calibration_ is None:
            return np.asarray(error)
        return np.asarray(error * model.calibration_.factor(spectra.totals))
    rng = np.random.default_rng(seed)
    thinned = [model.transform(split(spectra, KEPT, rng)[0]) for _ in range(draws)]
    # A share p of the counts scatters by (1 - p) / p times the variance of the whole.
    return np.asarray(np.std(thinned, axis=0, ddof=1) * np.sqrt(KEPT / (1 - KEPT)))


def covariance_of(draws: Floats, errors: Floats) -> Floats:
    """Covariances (n, k, k) with the correlations of draws (d, n, k) and these errors (n, k)."""
    centred = draws - draws.mean(axis=0)
    spread = np.maximum(np.sqrt((centred**2).sum(axis=0)), 1e-300)
    correlation = np.einsum("dni,dnj->nij", centred / spread, centred / spread)
    return np.asarray(correlation * errors[:, :, np.newaxis] * errors[:, np.newaxis, :])


def coverage_of_halves(model: Representation, spectra: SpectrumSet, *, seed: int = 0) -> float:
    """How often the latents of two halves differ by less than one standard deviation.

    It is 0.68 for uncertainties that are right. Needs no truth.
    """
    halves = split(spectra, 0.5, np.random.default_rng([seed, 1]))
    one, other = (model.transform(half) for half in halves)
    error = np.hypot(*(latent_uncertainty(model, half, seed=seed) for half in halves))
    return float(within(one - other, error).mean())


def coverage_of_repeats(
    model: Representation, spectra: SpectrumSet, expected: Floats, *, draws: int = 16, seed: int = 0
) -> Floats:
    """Share of the latents (n,) of each spectrum within an error of their mean over repetitions.

    New observations are drawn from the `expected` counts (n, p), which are known in simulations.
    """
    rng = np.random.default_rng([seed, 2])
    mean = np.where(spectra.mask, expected, 0.0)
    again = [
        model.transform(replace(spectra, values=rng.poisson(mean).astype(np.float64)))
        for _ in range(draws)
    ]
    error = latent_uncertainty(model, spectra, seed=seed)
    return within(model.transform(spectra) - np.mean(again, axis=0), error)


def within(difference: Floats, error: Floats) -> Floats:
    """Share of the latents (n,) that differ by less than their errors, both (n, k)."""
    return np.asarray(np.mean(np.abs(difference) < np.maximum(error, 1e-12), axis=1))
