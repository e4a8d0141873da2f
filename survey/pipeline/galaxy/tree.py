"""The tree of a galaxy and the distances that its cut needs, in memory and in its part."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalogs.parts import Receipt
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
    def load(cls, part: Receipt) -> TreeResult:
        """Read what `save` has written; of a large part distances are read where they are used."""
        names = {record.path for record in part.files}
        return cls(
            tree=load_array(part, "tree.npy"),
            energy=load_array(part, "noise_energy.npy"),
            condensed=load_array(part, "condensed.npy", mapped=True),
            items=load_array(part, "items.npy") if "items.npy" in names else None,
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


def load_array(part: Receipt, name: str, *, mapped: bool = False) -> NDArray[Any]:
    """An array of a part; with `mapped`, that of a part which is a folder is left on disk."""
    array: NDArray[Any]
    if part.path.is_dir():
        array = np.load(part.path / name, mmap_mode="r" if mapped else None)
    else:
        array = np.load(BytesIO(part.read_bytes(name)))
    return array
