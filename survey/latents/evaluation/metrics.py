"""Metrics: distance of a representation from the truth, and information in its latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.feature_selection import mutual_info_regression

from survey.latents.grid import Floats
from survey.latents.models.base import Representation
from survey.latents.models.likelihood import chi_square, poisson_deviance
from survey.latents.spectra import SpectrumSet
from survey.latents.thinning import split


def divergence(truth: Floats, model: Floats) -> Floats:
    """Kullback-Leibler divergences (n,) of the shapes of a model from true ones, in nats.

    Both (n, p) are expected values without noise; each is divided by its sum. The divergence
    is how much likelihood per count the model loses.
    """
    p = truth / truth.sum(axis=1, keepdims=True)
    q = np.maximum(model, 1e-12 * model.max(axis=1, keepdims=True))
    q = q / q.sum(axis=1, keepdims=True)
    logs = np.log(np.where(p > 0, p, 1.0) / q)
    return np.asarray(np.where(p > 0, p * logs, 0.0).sum(axis=1))


def relative_error(truth: Floats, model: Floats) -> Floats:
    """Root mean squared errors (n,) of a model, relative to the rms of the truth."""
    error = np.mean((model - truth) ** 2, axis=1)
    return np.asarray(np.sqrt(error / np.mean(truth**2, axis=1)))


def held_out_deviance(model: Representation, spectra: SpectrumSet, seed: int) -> Floats:
    """Deviances (n,) per usable bin of one half of each spectrum, predicted from the other half.

    Halves are made by thinning, so a model that has learned noise is none the better for it.
    """
    half, other = split(spectra, 0.5, np.random.default_rng(seed))
    mean = model.expected(other, model.transform(half))
    if spectra.kind == "flux":
        assert other.ivar is not None
        found = chi_square(other.values, mean, other.ivar)
    else:
        found = poisson_deviance(other.values, mean, other.mask)
    return np.asarray(found / np.maximum(spectra.mask.sum(axis=1), 1))


@dataclass(frozen=True)
class MutualInformation:
    """Mutual information in nats, and what chance alone makes of it.

    Attributes
    ----------
    largest : float
        Of all latents.
    null_mean, null_95 : float
        Mean and 95th percentile of the same when the values are permuted.
    p_value : float
        Chance of a permutation to do as well; at least 1 / (permutations + 1).
    """

    largest: float
    null_mean: float
    null_95: float
    p_value: float


def mutual_information(
    latents: Floats, values: Floats, *, permutations: int, seed: int
) -> MutualInformation:
    """Of the most telling latent with some values (n,), by nearest neighbours.

    The estimator is scikit-learn's (Kraskov et al. 2004, PhysRevE 69, 066138); values come
    from different sources, so that they can be exchanged.
    """
    rng = np.random.default_rng(seed)

    def largest(y: Floats) -> float:
        return float(mutual_info_regression(latents, y, random_state=seed).max())

    found = largest(values)
    null = np.array([largest(rng.permutation(values)) for _ in range(permutations)])
    return MutualInformation(
        largest=found,
        null_mean=float(null.mean()),
        null_95=float(np.percentile(null, 95)),
        p_value=float((1 + np.sum(null >= found)) / (1 + permutations)),
    )
