"""A galaxy whose spaxels are mixtures of the clusters, as they were measured.

Lines of sight and the point-spread function mix regions. Simulated galaxies with one spectrum in
every spaxel of a cluster do not tell whether the clusters follow from mixtures too: of a gradual
change, or of borders wider than regions, they may be one choice of many.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.clustering.criteria import Labels
from survey.clustering.reconstruct import reconstruct
from survey.clustering.walk.fractions import cluster_fractions
from survey.validation.galaxy import PartitionedGalaxy
from survey.validation.recluster import Linked, recluster


def mixed_flux(galaxy: PartitionedGalaxy, linked: Linked) -> NDArray[np.float64]:
    """(n, L) the median spectra of the clusters in the fractions that fit every spaxel best."""
    shares = np.eye(galaxy.k)[galaxy.labels - 1]
    known = linked.accepted
    # A cluster may have no accepted spaxel; its spaxels keep their label.
    names, own = np.unique(galaxy.labels[known], return_inverse=True)
    shares[np.ix_(known, names - 1)] = cluster_fractions(linked.aligned, own)
    flux = np.zeros(galaxy.data.flux.shape)
    for number in range(galaxy.k):
        rows = np.flatnonzero(shares[:, number] > 0)
        label = np.full(len(rows), number + 1)
        pure, _ = reconstruct(
            galaxy.data.flux[rows],
            label,
            galaxy.medians,
            galaxy.shifts[rows],
            galaxy.data.wavelength_um,
        )
        flux[rows] += shares[rows, number][:, None] * pure
    return flux


def clusters_of_mixtures(
    galaxy: PartitionedGalaxy, linked: Linked, rng: np.random.Generator
) -> Labels | None:
    """(n,) clusters of these mixtures with the noise of the galaxy, see `recluster`."""
    return recluster(galaxy.noisy(mixed_flux(galaxy, linked), rng), galaxy.recipe)
