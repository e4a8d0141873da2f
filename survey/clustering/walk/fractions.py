"""Spaxels as mixtures of the mean spectra of the clusters.

Many spaxels have the light of more than one region, and a hard label is not the truth of these. The
fractions are non-negative and come nearest to the spectrum of the spaxel by least squares. On
simulated galaxies they follow the true fractions better than labels do: docs/method.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from survey.clustering.walk.aligned import AlignedSpectra

_RIDGE = 1e-12


def cluster_fractions(spectra: AlignedSpectra, labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Fractions of the clusters in the integrated flux of every spaxel.

    Parameters
    ----------
    spectra : AlignedSpectra
        Of n spaxels, normalised.
    labels : (n,) array of int
        Clusters 0..k-1, none empty.

    Returns
    -------
    (n, k) array of float32
        Not negative, with a sum of one.
    """
    k = int(labels.max()) + 1
    means = np.stack([spectra.mean(np.flatnonzero(labels == c)).values for c in range(k)])
    gram = means @ means.T
    root = np.linalg.cholesky(gram + _RIDGE * np.trace(gram) * np.eye(k))
    fractions = np.empty((len(labels), k), np.float32)
    for chosen, aligned in spectra.blocks():
        # |x - f M|^2 has the same minimum as the k equations that the Gram matrix leaves.
        targets = np.linalg.solve(root, means @ aligned.T.astype(np.float64)).T
        for row, target in zip(chosen, targets, strict=True):
            found = nnls(root.T, target)[0]
            fractions[row] = found / found.sum() if found.any() else labels[row] == np.arange(k)
    return fractions
