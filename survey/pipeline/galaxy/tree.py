"""The tree of a galaxy and the distances that its cut needs, in memory and in its part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from survey.clustering.pair_sums import CondensedPairs, Pairs, SampledPairs
from survey.config import Settings
from survey.distances.noise import without_noise
from survey.linkage.fastcluster import linkage_tree

SEED = 20_261_120
"""Seed of every random choice in the computation of a galaxy, so that results repeat."""


@dataclass(frozen=True)
class TreeResult:
    """A tree, and the distances that its cut needs.

    Parameters
    ----------
    tree : (n - 1, 4) array
    energy : (n,) array
        Noise energy of the spectra.
    condensed : (m (m - 1) / 2,) array
        Squared distances, noise included, of the spaxels `items`.
    items : (m,) array of int, or None
        The spaxels on which cuts are compared; None for all.
    """

    tree: NDArray[np.float64]
    energy: NDArray[np.float64]
    condensed: NDArray[np.floating]
    items: NDArray[np.intp] | None

    def save(self, folder: Path) -> None:
        """Write it into a part."""
        np.save(folder / "tree.npy", self.tree)
        np.save(folder / "noise_energy.npy", self.energy)
        np.save(folder / "condensed.npy", self.condensed)
        if self.items is not None:
            np.save(folder / "items.npy", self.items)

    @classmethod
    def load(cls, folder: Path) -> TreeResult:
        """Read what `save` has written; distances are read from disk only where they are used."""
        items = folder / "items.npy"
        return cls(
            tree=np.load(folder / "tree.npy"),
            energy=np.load(folder / "noise_energy.npy"),
            condensed=np.load(folder / "condensed.npy", mmap_mode="r"),
            items=np.load(items) if items.exists() else None,
        )

    def clustered_distances(self, settings: Settings) -> Pairs:
        """The distances that were clustered, of all spaxels or of `items`."""
        if self.items is None:
            return CondensedPairs(clustered_distances(self.condensed, self.energy, settings))
        energy = self.energy[self.items]
        return SampledPairs(self.items, clustered_distances(self.condensed, energy, settings))


def clustered_distances(
    condensed: NDArray[np.floating],
    energy: NDArray[np.float64],
    settings: Settings,
    *,
    keep: bool = True,
) -> NDArray[np.floating]:
    """The distances that are clustered: without noise, if the settings say so.

    If `keep` is false, they overwrite `condensed`.
    """
    if settings.distance.noise == "subtract":
        return without_noise(condensed, energy, out=None if keep else condensed)
    return condensed


def relink(condensed: NDArray[np.floating], settings: Settings) -> NDArray[np.float64]:
    """The tree of a few spaxels, by the linkage of the settings."""
    linkage = settings.linkage
    return linkage_tree(condensed, linkage.method, ward_input=linkage.ward_input)
