"""A galaxy with its adopted partition, and galaxies of the same partition and noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from survey.clustering.reconstruct import reconstruct
from survey.spectra.psf.profiles import PointSpread
from survey.validation.noise_model import NoiseModel
from survey.validation.recluster import Data, Recipe

UNMIXED_ABOVE = 0.6
"""A spaxel is of one cluster if this gives at least so much of its flux."""


@dataclass(frozen=True)
class PartitionedGalaxy:
    """The clustered spaxels of a galaxy.

    Attributes
    ----------
    data : Data
    recipe : Recipe
        By which it was clustered.
    labels : (n,) array of int
        Adopted clusters 1..k.
    medians : (k, L) array
        Median spectra of the clusters.
    shifts : (n,) array
        Shift of every spaxel against the medoid of its cluster, in samples.
    unmixed : (n,) array of bool
        Spaxels whose cluster gives most of their flux.
    to_border : (n,) array of int
        Steps from every spaxel to the nearest of another cluster.
    y, x : (n,) arrays of int
    centre : (y, x)
        Photometric centre.
    spaxel_arcsec : float
    noise : NoiseModel
    psf : PointSpread, optional
        The point-spread function; None if it is not known.
    snr_min : float
        Continuum S/N from which a spaxel was clustered.
    windows_um : mapping of (low, high)
        Named windows, other than that of the run, which the spectra cover, and which are part of
        what they cover.
    """

    data: Data
    recipe: Recipe
    labels: NDArray[np.int32]
    medians: NDArray[np.floating]
    shifts: NDArray[np.floating]
    unmixed: NDArray[np.bool_]
    to_border: NDArray[np.int32]
    y: NDArray[np.integer]
    x: NDArray[np.integer]
    centre: tuple[float, float]
    spaxel_arcsec: float
    noise: NoiseModel
    psf: PointSpread | None = None
    snr_min: float = 2.0
    windows_um: tuple[tuple[str, tuple[float, float]], ...] = ()

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.medians)

    @cached_property
    def total(self) -> NDArray[np.float64]:
        """(n,) summed flux of every spaxel."""
        return np.asarray(self.data.flux.sum(axis=1, dtype=np.float64))

    @cached_property
    def noiseless(self) -> NDArray[np.floating]:
        """(n, L) the spectrum of its cluster in every spaxel, at its flux and its shift."""
        model, _ = reconstruct(
            self.data.flux, self.labels, self.medians, self.shifts, self.data.wavelength_um
        )
        return model

    def noisy(self, flux: NDArray[np.floating], rng: np.random.Generator) -> Data:
        """Its spaxels with other spectra (n, L), to which a draw of its noise is added."""
        return replace(self.data, flux=(flux + self.noise.draw(rng)).astype(np.float32))


def representative_rows(
    labels: NDArray[np.integer], most: int, least: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """All spaxels, or some of every cluster if there are more than `most`.

    So many are drawn of a cluster 1..k that its share stays, and at least `least` if it has them.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    chosen = []
    for label in range(1, int(labels.max()) + 1):
        members = np.flatnonzero(labels == label)
        count = min(len(members), max(round(most * len(members) / len(labels)), least))
        chosen.append(rng.choice(members, count, replace=False))
    return np.sort(np.concatenate(chosen))
