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
FEWEST_FOR_MODEL_ERROR = 12
"""Fluxes of fewer spectra do not say how far a model is from spectra beyond noise."""

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


def find_anomalies(
    model: Representation, spectra: SpectrumSet, latents: Floats | None = None,
    compared: Floats | None = None,
) -> Anomaly:  # fmt: skip
    """Compare spectra with each other by their latents, and with their descriptions by a model.

    Parameters
    ----------
    model : Representation
    spectra : SpectrumSet
    latents : array (n, k), optional
        Those of the spectra, where they are known already.
    compared : array (n, k), optional
        By which spectra are compared with each other. Default: the latents.
    """
    latents = model.transform(spectra) if latents is None else latents
    isolation = _isolation(standardised(latents if compared is None else compared))
    found = misfit_of_model(model, spectra, latents)
    score = np.maximum(_rank(isolation), _rank(found))
    return Anomaly(isolation, found, score)


def misfit_of_model(model: Representation, spectra: SpectrumSet, latents: Floats) -> Floats:
    """Misfits (n,) of what a model expects for the latents of spectra.

    Those of fluxes are beyond the typical error of the model too: see `model_error`.
    """
    mean = model.expected(spectra, latents)
    return misfit(spectra, mean, model_error(spectra, mean) if spectra.kind == "flux" else None)


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


def misfit(spectra: SpectrumSet, mean: Floats, relative_error: Floats | None = None) -> Floats:
    """Deviances (n,) from expected values (n, p), less their expectation, over their scatter.

    Mean and variance of the deviance of Poisson counts are exact (cf. Kaastra 2017, A&A 605,
    A51); the few numbers fitted to each spectrum are not allowed for.

    Parameters
    ----------
    spectra : SpectrumSet
    mean : array (n, p)
    relative_error : array (p,), optional
        Of fluxes: error of the model relative to the brightness of a spectrum, which is added to
        that of noise. Without it, misfits of bright spectra are as large as they are bright.
    """
    if spectra.kind == "flux":
        assert spectra.ivar is not None
        ivar = spectra.ivar
        if relative_error is not None:
            beyond = (_brightness(spectra, mean)[:, np.newaxis] * relative_error) ** 2
            ivar = ivar / (1 + ivar * beyond)
        usable = np.maximum(spectra.mask.sum(axis=1), 1)
        excess = chi_square(spectra.values, mean, ivar) - usable
        return np.asarray(excess / np.sqrt(2.0 * usable))
    expectation, variance = deviance_moments(mean)
    deviance = poisson_deviance(spectra.values, mean, spectra.mask)
    excess = deviance - np.where(spectra.mask, expectation, 0.0).sum(axis=1)
    scatter = np.sqrt(np.where(spectra.mask, variance, 0.0).sum(axis=1))
    return np.asarray(excess / np.maximum(scatter, 1e-12))


def model_error(spectra: SpectrumSet, mean: Floats) -> Floats:
    """Typical error (p,) of the model in every bin beyond noise, relative to the brightness.

    The mean square residual over spectra less that of noise, each spectrum weighing by how well it
    measures it, up to a limit; spectra far off take no part. Zero where there are too few spectra.
    """
    assert spectra.ivar is not None
    if len(spectra) < FEWEST_FOR_MODEL_ERROR:
        return np.zeros(len(spectra.grid))
    scale = np.maximum(_brightness(spectra, mean), 1e-300)[:, np.newaxis]
    noise = np.divide(
        1.0, spectra.ivar * scale**2, out=np.full(mean.shape, np.inf), where=spectra.mask
    )
    square = ((spectra.values - mean) / scale) ** 2
    square = np.minimum(square, 16 * np.median(square, axis=0) + 16 * np.minimum(noise, 1e300))
    typical = np.median(np.where(spectra.mask, noise, np.inf), axis=0)
    weight = 1 / (noise + np.where(np.isfinite(typical), typical, 1.0)) ** 2
    weight = np.where(spectra.mask, weight, 0.0)
    excess = np.where(spectra.mask, square - np.where(spectra.mask, noise, 0.0), 0.0)
    variance = (weight * excess).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)
    return np.sqrt(np.maximum(variance, 0.0))


def _brightness(spectra: SpectrumSet, mean: Floats) -> Floats:
    """Root mean square (n,) of what is expected in the usable bins."""
    usable = np.maximum(spectra.mask.sum(axis=1), 1)
    return np.asarray(np.sqrt(np.where(spectra.mask, mean**2, 0.0).sum(axis=1) / usable))


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
