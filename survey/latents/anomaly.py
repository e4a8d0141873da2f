"""Finds spectra unlike all others, and spectra like a given one.

A spectrum is unusual if hardly any other spectrum has similar latents, or if its latents do not
describe it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson
from sklearn.neighbors import NearestNeighbors

from survey.errors import ConfigError
from survey.latents.grid import Floats
from survey.latents.models.base import Representation
from survey.latents.models.likelihood import chi_square, poisson_deviance
from survey.latents.spectra import SpectrumSet

NEIGHBOURS = 5
MANY_COUNTS = 1000.0
"""Above this mean the deviance of a bin is that of a normal variable."""


@dataclass(frozen=True)
class Anomaly:
    """How much each of n spectra differs from the others.

    Attributes
    ----------
    isolation : array (n,)
        Mean distance to its nearest neighbours in latent space, where each latent is divided
        by its standard deviation; over the median of all.
    misfit : array (n,)
        Deviance from what its latents describe, less what noise makes, in standard deviations.
    score : array (n,)
        The higher of its two ranks, as the share of spectra it exceeds.
    """

    isolation: Floats
    misfit: Floats
    score: Floats


def find_anomalies(model: Representation, spectra: SpectrumSet) -> Anomaly:
    """Compare spectra with each other, and with their descriptions by a model."""
    latents = standardised(model.transform(spectra))
    isolation = _isolation(latents)
    found = misfit(spectra, model.expected(spectra))
    score = np.maximum(_rank(isolation), _rank(found))
    return Anomaly(isolation, found, score)


def nearest(latents: Floats, row: int, number: int) -> tuple[NDArray[np.intp], Floats]:
    """Rows nearest to one of (n, k) latents, itself aside, and their distances.

    Raises
    ------
    ConfigError
        If there are no others.
    """
    if len(latents) < 2:
        raise ConfigError("there is only one spectrum: no neighbours")
    scaled = standardised(latents)
    tree = NearestNeighbors(n_neighbors=min(number + 1, len(latents))).fit(scaled)
    distance, which = tree.kneighbors(scaled[row : row + 1])
    others = which[0] != row
    return which[0][others][:number], distance[0][others][:number]


def standardised(latents: Floats) -> Floats:
    """Latents (n, k) of mean zero and standard deviation one, as far as they vary."""
    spread = latents.std(axis=0)
    return np.asarray((latents - latents.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def misfit(spectra: SpectrumSet, mean: Floats) -> Floats:
    """Deviances (n,) from expected values (n, p), less their expectation, over their scatter.

    Mean and variance of the deviance of Poisson counts are exact (cf. Kaastra 2017, A&A 605,
    A51); the few numbers fitted to each spectrum are not allowed for.
    """
    if spectra.kind == "flux":
        assert spectra.ivar is not None
        usable = np.maximum(spectra.mask.sum(axis=1), 1)
        excess = chi_square(spectra.values, mean, spectra.ivar) - usable
        return np.asarray(excess / np.sqrt(2.0 * usable))
    expectation, variance = deviance_moments(mean)
    deviance = poisson_deviance(spectra.values, mean, spectra.mask)
    excess = deviance - np.where(spectra.mask, expectation, 0.0).sum(axis=1)
    scatter = np.sqrt(np.where(spectra.mask, variance, 0.0).sum(axis=1))
    return np.asarray(excess / np.maximum(scatter, 1e-12))


def deviance_moments(mean: Floats) -> tuple[Floats, Floats]:
    """Expectation and variance of the deviance of Poisson counts of a given mean, by bin."""
    grid, expectation, variance = _moments()
    place = np.log(np.clip(mean, np.exp(grid[0]), np.exp(grid[-1])))
    # Below the grid a count is so rare that both go with the mean.
    rare = np.minimum(mean / np.exp(grid[0]), 1.0)
    return (
        np.asarray(np.interp(place, grid, expectation) * rare),
        np.asarray(np.interp(place, grid, variance) * rare),
    )


@cache
def _moments() -> tuple[Floats, Floats, Floats]:
    grid = np.linspace(np.log(1e-6), np.log(MANY_COUNTS), 300)
    moments = []
    for mean in np.exp(grid):
        counts = np.arange(int(mean + 12 * np.sqrt(mean) + 30), dtype=np.float64)[:, np.newaxis]
        chance = poisson.pmf(counts[:, 0], mean)
        every = np.ones(counts.shape, dtype=bool)
        deviance = poisson_deviance(counts, np.full(counts.shape, mean), every)
        first = float(chance @ deviance)
        moments.append((first, float(chance @ deviance**2) - first**2))
    expectation, variance = np.array(moments).T
    return grid, expectation, variance


def _isolation(latents: Floats) -> Floats:
    number = min(NEIGHBOURS, len(latents) - 1)
    if number < 1:
        return np.ones(len(latents))
    distance, _ = NearestNeighbors(n_neighbors=number + 1).fit(latents).kneighbors(latents)
    # The first neighbour of a spectrum is itself, at no distance.
    mean = distance.sum(axis=1) / number
    return np.asarray(mean / max(float(np.median(mean)), 1e-12))


def _rank(values: Floats) -> Floats:
    return np.asarray(values.argsort().argsort() / max(len(values) - 1, 1))
