"""What a point source alone makes of a field: clusters, shares of their light, rings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.clustering.criteria import Labels
from survey.spectra.psf import moffat_share
from survey.validation.galaxy import PartitionedGalaxy
from survey.validation.recluster import FEWEST_SPAXELS, recluster

SNR_MIN = 2.0
"""Continuum S/N of a spaxel that a survey clusters."""

_CORE_FWHM = 0.75
_BINS = 16


@dataclass(frozen=True)
class PointSource:
    """The largest point source that the nucleus of a galaxy can be.

    Attributes
    ----------
    share : (n, L) array
        Of its light in every spaxel.
    spectrum : (L,) array
        Its flux.
    """

    share: NDArray[np.float64]
    spectrum: NDArray[np.float64]

    @property
    def flux(self) -> NDArray[np.float64]:
        """(n, L) its flux in every spaxel."""
        return self.share * self.spectrum

    def of_spaxels(self, galaxy: PartitionedGalaxy) -> NDArray[np.float64]:
        """(n,) the share of the flux of every spaxel that it can explain, from 0 to 1."""
        share = self.flux.sum(axis=1) / np.maximum(galaxy.total, 1e-30)
        return np.asarray(np.clip(share, 0.0, 1.0))

    def of_clusters(self, galaxy: PartitionedGalaxy) -> NDArray[np.float64]:
        """(k,) the share of the flux of every cluster that it can explain."""
        explained = self.of_spaxels(galaxy) * galaxy.total
        light = np.bincount(galaxy.labels, galaxy.total, minlength=galaxy.k + 1)[1:]
        found = np.bincount(galaxy.labels, explained, minlength=galaxy.k + 1)[1:]
        return np.asarray(found / np.maximum(light, 1e-30))


def fit_point_source(galaxy: PartitionedGalaxy) -> PointSource | None:
    """The point source at the photometric centre with all the light of the nucleus.

    In some bins of wavelength its flux is the median, over the spaxels of the core, of flux over
    share; the shape within a bin is that of the summed spectrum of the core. None without a known
    point-spread function, or without a spaxel in the core.
    """
    if galaxy.fwhm_arcsec is None:
        return None
    fwhm = galaxy.fwhm_arcsec / galaxy.spaxel_arcsec
    dy, dx = galaxy.y - galaxy.centre[0], galaxy.x - galaxy.centre[1]
    share = moffat_share(dy, dx, fwhm)
    core = radius_spaxels(galaxy) <= max(1.0, _CORE_FWHM * float(np.median(fwhm)))
    if not core.any():
        return None
    shape = galaxy.data.flux[core].sum(axis=0, dtype=np.float64)
    spectrum = np.empty(len(shape))
    for piece in np.array_split(np.arange(len(shape)), min(_BINS, len(shape))):
        flux = galaxy.data.flux[np.ix_(core, piece)].sum(axis=1, dtype=np.float64)
        amplitude = float(np.median(flux / share[np.ix_(core, piece)].sum(axis=1)))
        level = shape[piece].sum()
        spectrum[piece] = shape[piece] * (amplitude * len(piece) / level if level > 0 else 0.0)
    return PointSource(share, np.maximum(spectrum, 0.0))


def clusters_of_point_source(
    galaxy: PartitionedGalaxy, source: PointSource, rng: np.random.Generator
) -> float:
    """The number of clusters of a field with nothing but the point source and the noise.

    NaN if too few spaxels would have been clustered.
    """
    data = galaxy.noisy(source.flux, rng)
    bright = data.snr >= SNR_MIN
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
    host = galaxy.medians[int(np.argmin(source.of_clusters(galaxy)))].astype(np.float64)
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
