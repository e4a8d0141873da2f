"""Calibrates latents of counts of a fitted model: their errors, and what brightness makes of them.

Errors of latents are the scatter of new observations drawn from what the model expects of a
spectrum (`survey.latents.uncertainty`). It is too small where the model follows the noise of the
spectrum. By how much is found on spectra that are drawn from the model's own expectation: there the
mean of the latents is known, and the factor, by counts and latent, is that by which 68.3% of them
are within one error of it (a double bootstrap; Hall & Martin 1988, Biometrika 75, 661).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from survey.latents.grid import Floats
from survey.latents.models.base import Calibration, Representation
from survey.latents.models.equal_counts import EqualCounts
from survey.latents.spectra import SpectrumSet
from survey.latents.uncertainty import DRAWS, latent_draws

WITHIN = 0.6827
MOST_SPECTRA = 400
REPEATS = 2
"""Spectra drawn from each whose errors are compared with what they should be."""

KNOT_DEX = 0.5
WINDOW_DEX = 0.5
FEWEST = 60
"""Comparisons near a number of counts from which a factor is taken."""

RANGE = (0.5, 2.5)


def calibrate(model: Representation, spectra: SpectrumSet, *, seed: int = 0) -> None:
    """Give a model that is fitted to spectra of counts its `calibration_`.

    Nothing is done for flux, nor for a method whose encoding takes too long.
    """
    if spectra.kind != "counts" or not model.calibrated:
        return
    chosen = np.random.default_rng([seed, 6]).permutation(len(spectra))[:MOST_SPECTRA]
    log_counts, factors = _factors(model, spectra.rows(np.sort(chosen)), seed)
    equal = EqualCounts.of(model.transform, spectra, seed)
    model.calibration_ = Calibration(log_counts, factors, equal)


def _factors(model: Representation, spectra: SpectrumSet, seed: int) -> tuple[Floats, Floats]:
    """Factors (m, k) of the errors at m numbers of counts (log10)."""
    model.calibration_ = None
    latents = model.transform(spectra)
    mean = np.where(spectra.mask, model.expected(spectra, latents), 0.0)
    centre = latent_draws(model, spectra, seed=seed, latents=latents)[0].mean(axis=0)
    rng = np.random.default_rng([seed, 7])
    ratios, places = [], []
    for repeat in range(REPEATS):
        drawn = replace(spectra, values=rng.poisson(mean).astype(np.float64))
        own = model.transform(drawn)
        scatter = latent_draws(model, drawn, seed=seed + 1 + repeat, latents=own)[0]
        error = np.std(scatter, axis=0, ddof=1) * np.sqrt(1 + 1 / DRAWS)
        ratios.append(np.abs(own - centre) / np.maximum(error, 1e-12))
        places.append(np.log10(drawn.totals + 1))
    return _by_counts(np.concatenate(ratios), np.concatenate(places))


def _by_counts(ratios: Floats, log_counts: Floats) -> tuple[Floats, Floats]:
    knots = np.arange(log_counts.min(), log_counts.max() + KNOT_DEX, KNOT_DEX)
    near = np.abs(log_counts - knots[:, np.newaxis]) < WINDOW_DEX
    enough = near.sum(axis=1) >= min(FEWEST, len(ratios))
    if not enough.any():
        return np.zeros(1), np.ones((1, ratios.shape[1]))
    factors = [np.quantile(ratios[rows], WITHIN, axis=0) for rows in near[enough]]
    return knots[enough], np.clip(factors, *RANGE)
