"""What a point source alone makes of a field: clusters, shares of their light, rings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.clustering.criteria import Labels
from survey.spectra.psf.point_source import PointSource, in_core, largest_point_source
from survey.validation.galaxy import PartitionedGalaxy
from survey.validation.recluster import FEWEST_SPAXELS, recluster


def fit_point_source(galaxy: PartitionedGalaxy) -> PointSource | None:
    """The largest point source at the photometric centre that the nucleus can be.

    None without a known point-spread function, or without a spaxel in the core.
    """
    if galaxy.psf is None:
        return None
    dy, dx = galaxy.y - galaxy.centre[0], galaxy.x - galaxy.centre[1]
    core = in_core(np.hypot(dy, dx), galaxy.psf.fwhm)
    if not core.any():
        return None
    return largest_point_source(galaxy.data.flux, galaxy.psf.share(dy, dx), core)


def shares_of_clusters(galaxy: PartitionedGalaxy, source: PointSource) -> NDArray[np.float64]:
    """(k,) the share of the flux of every cluster that a point source explains."""
    explained = source.share_of_light(galaxy.total) * galaxy.total
    light = np.bincount(galaxy.labels, galaxy.total, minlength=galaxy.k + 1)[1:]
    found = np.bincount(galaxy.labels, explained, minlength=galaxy.k + 1)[1:]
    return np.asarray(found / np.maximum(light, 1e-30))


def clusters_of_point_source(
    galaxy: PartitionedGalaxy, source: PointSource, rng: np.random.Generator
) -> float:
    """The number of clusters of a field with nothing but the point source and the noise.

    NaN if too few spaxels would have been clustered.
    """
    data = galaxy.noisy(source.flux, rng)
    bright = data.snr >= galaxy.snr_min
    if np.count_nonzero(bright) < FEWEST_SPAXELS:
        return np.nan
    return number_of_clusters(recluster(data.rows(bright), galaxy.recipe))


def clusters_of_one_spectrum(galaxy: PartitionedGalaxy, rng: np.random.Generator) -> float:
    """The number of clusters of the galaxy if every spaxel had its mean spectrum and its noise."""
    mean = (1.0 / np.maximum(galaxy.total, 1e-30)) @ galaxy.data.flux
    flux = galaxy.total[:, None] * (mean / mean.sum())
    return number_of_clusters(recluster(galaxy.noisy(flux, rng), galaxy.recipe))


def source_on_a_host(
    galaxy: PartitionedGalaxy, source: PointSource, rng: np.random.Generator
) -> Labels | None:
    """Clusters of the point source on a host with one spectrum, that of the rest of the galaxy.

    Every spaxel has its own flux: what the point source can explain of it has the spectrum of the
    point source, the rest that of the cluster which the point source explains least.
    """
    least = int(np.argmin(shares_of_clusters(galaxy, source)))
    host = galaxy.medians[least].astype(np.float64)
    point = source.flux
    explained = point.sum(axis=1)
    point *= np.minimum(1.0, np.maximum(galaxy.total, 0.0) / np.maximum(explained, 1e-30))[:, None]
    rest = np.maximum(galaxy.total - point.sum(axis=1), 0.0)
    flux = point + rest[:, None] * (host / host.sum())
    return recluster(galaxy.noisy(flux, rng), galaxy.recipe)


def number_of_clusters(labels: Labels | None) -> float:
    """The number of clusters of a partition; NaN without one."""
    return np.nan if labels is None else float(labels.max())


def radius_spaxels(galaxy: PartitionedGalaxy) -> NDArray[np.float64]:
    """(n,) distance from the photometric centre."""
    return np.hypot(galaxy.y - galaxy.centre[0], galaxy.x - galaxy.centre[1])
