"""Whether clusters of one half of the spectrum are told apart by the other half.

Clusters and what is read from their spectra come from the same samples, so that a difference which
noise has made is found again in them. Here both are from different samples: clusters are made of
one half, and every spaxel is assigned to the nearest mean of these clusters in the other half,
where the means are of spaxels other than itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.clustering.criteria import Labels
from survey.clustering.walk.aligned import align_to_components
from survey.distances.noise import noise_energy
from survey.spectra.normalise import SpectralFrame, normalise
from survey.validation.agreement import LEFT_OUT
from survey.validation.recluster import SEED, Data, Recipe

SHUFFLES = 20
"""Draws of labels that are shuffled among the spaxels, whose accuracy is that of chance."""

FOLDS = 2
FEWEST_OF_CLUSTER = 2 * FOLDS


@dataclass(frozen=True)
class ToldApart:
    """How well the spectra of some planes tell clusters apart.

    Attributes
    ----------
    accuracy : float
        Balanced: the mean over clusters of the share of spaxels that are assigned to their own.
    shuffled : tuple of float
        The same for labels that were shuffled.
    n : int
        Spaxels.
    """

    accuracy: float
    shuffled: tuple[float, ...]
    n: int


def told_apart(
    data: Data, recipe: Recipe, labels: Labels, rng: np.random.Generator
) -> ToldApart | None:
    """Assign spaxels to clusters by the planes of `data` that are compared.

    Parameters
    ----------
    data : Data
        Of n spaxels.
    recipe : Recipe
        For normalisation and shift.
    labels : (n,) array of int
        Clusters 1..k made from other planes, 0 for spaxels in none.
    rng : Generator
        For folds and shuffles.

    Returns
    -------
    ToldApart or None
        None if fewer than two clusters have enough spaxels.
    """
    frame = SpectralFrame(
        data.wavelength_um, recipe.normalise_window_um, recipe.line_mask_um, used=data.compared
    )
    spectra, _, accepted = normalise(data.flux, data.noise, frame, recipe.normalise)
    large = np.flatnonzero(np.bincount(labels[accepted]) >= FEWEST_OF_CLUSTER)
    large = large[large != LEFT_OUT]
    rows = np.flatnonzero(accepted & np.isin(labels, large))
    if len(large) < 2:
        return None
    spectra = np.ascontiguousarray(spectra[rows][:, data.compared], np.float32)
    aligned = align_to_components(
        spectra, recipe.max_shift, snr=data.snr[rows], energy=noise_energy(spectra), seed=SEED
    )
    values = np.empty((len(rows), aligned.n_sample), np.float32)
    for chosen, block in aligned.blocks():
        values[chosen] = block
    # Products of spectra give the distances from any means, also of shuffled labels.
    gram = (values @ values.T).astype(np.float64)
    own = np.searchsorted(large, labels[rows])
    fold = rng.permutation(len(rows)) % FOLDS
    shuffled = (_accuracy(gram, rng.permutation(own), fold) for _ in range(SHUFFLES))
    return ToldApart(_accuracy(gram, own, fold), tuple(shuffled), len(rows))


def _accuracy(gram: NDArray[np.float64], own: NDArray[np.intp], fold: NDArray[np.intp]) -> float:
    """Balanced accuracy of the nearest mean of the other fold; a cluster without one is missed."""
    k = int(own.max()) + 1
    assigned = np.full(len(own), -1)
    for number in range(FOLDS):
        known, asked = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        count = np.bincount(own[known], minlength=k)
        share = (own[known][:, None] == np.arange(k)) / np.maximum(count, 1)
        of_means = np.einsum("ik,ik->k", share, gram[np.ix_(known, known)] @ share)
        distance = of_means - 2.0 * gram[np.ix_(asked, known)] @ share
        distance[:, count == 0] = np.inf
        assigned[asked] = distance.argmin(axis=1)
    right = np.bincount(own, assigned == own, minlength=k) / np.bincount(own, minlength=k)
    return float(right.mean())
