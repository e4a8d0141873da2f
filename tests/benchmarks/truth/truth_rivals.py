"""Other ways to divide spaxels into groups, for comparison with the walk.

K-means, Gaussian mixtures and HDBSCAN work on the ten first principal components of the prepared
spectra, shifted onto each other as the walk does it: rotation is no disadvantage to them.
"""

from __future__ import annotations

import numpy as np
from fastcluster import linkage
from numba import njit
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.mixture import GaussianMixture

from survey.clustering.walk.aligned import AlignedSpectra

COMPONENTS = 10
K_MAX = 12
CAPIVARA_K = 5


def principal_components(spectra: AlignedSpectra) -> np.ndarray:
    """(n, 10) of the aligned spectra, relative to the first one's scatter."""
    aligned = np.empty((len(spectra.starts), spectra.n_sample), np.float32)
    for chosen, block in spectra.blocks():
        aligned[chosen] = block
    scores = PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit_transform(aligned)
    return np.asarray(scores / scores[:, 0].std(), dtype=float)


def k_means(points: np.ndarray) -> np.ndarray:
    """Labels of the k, 2 to 12, of the largest mean silhouette."""
    options = [KMeans(k, n_init=3, random_state=0).fit_predict(points) for k in range(2, K_MAX + 1)]
    return max(options, key=lambda labels: silhouette_score(points, labels))


def gaussian_mixture(points: np.ndarray) -> np.ndarray:
    """Labels of the k, 1 to 12, of the smallest BIC."""
    models = [
        GaussianMixture(k, random_state=0, reg_covar=1e-5).fit(points) for k in range(1, K_MAX + 1)
    ]
    return min(models, key=lambda model: model.bic(points)).predict(points)


def hdbscan(points: np.ndarray) -> np.ndarray:
    """Labels; a cluster has 2% of the spaxels, and what is left joins the nearest."""
    labels = HDBSCAN(min_cluster_size=max(5, len(points) // 50)).fit_predict(points)
    found = np.unique(labels[labels >= 0])
    if not len(found):
        return np.zeros(len(points), int)
    means = np.array([points[labels == label].mean(axis=0) for label in found])
    nearest = np.square(points[:, None, :] - means).sum(axis=2).argmin(axis=1)
    return np.where(labels >= 0, labels, found[nearest])


def capivara_tree(flux: np.ndarray) -> np.ndarray:
    """The tree of CAPIVARA (de Souza et al. 2025), version 0.3 and its defaults.

    Its R code takes the median off every spectrum, which leaves brightness in; distances are sums
    of absolute differences, without a shift; linkage is Ward's. It cuts at a number that the user
    gives (5 by default), or at the most clusters that all reach a S/N that the user gives.

    Parameters
    ----------
    flux : (n, M) array
        Spectra before they are normalised.
    """
    values = np.ascontiguousarray(flux, dtype=np.float32)
    condensed = absolute_differences(values - np.median(values, axis=1, keepdims=True))
    return linkage(condensed, "ward")


@njit(fastmath=True)
def absolute_differences(values: np.ndarray) -> np.ndarray:
    """Condensed sums of absolute differences of all pairs of rows."""
    n, size = values.shape
    found = np.empty(n * (n - 1) // 2)
    place = 0
    for i in range(n):
        one = values[i]
        for j in range(i + 1, n):
            other = values[j]
            total = np.float32(0.0)
            # An unsigned index cannot count from the end, so the loop is done in vectors.
            for k in range(np.uint64(size)):
                total += np.abs(one[k] - other[k])
            found[place] = total
            place += 1
    return found
