"""How much of what differs inside the regions of the clusters they leave unexplained.

Stability does not see regions that nothing separates, nor a gradual change that is always cut at
the same place. Both leave differences inside clusters, away from their borders; between two real
regions spectra are mixed by the point-spread function near the border alone. So of spaxels away
from borders the variance of the spectra about the means of their clusters, beyond noise, is
compared with that about the mean of all these spaxels:

    unexplained = (W - W0) / (T - W0),

with W within clusters, T of all, and W0 what is within the same clusters of a simulated galaxy,
whose spaxels differ by noise only. Shifts below a sample and changes of width, which rotation
makes, are fitted away, and spectra are smoothed, as where the walk compares means.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt, gaussian_filter1d

from survey.clustering.criteria import Labels
from survey.clustering.walk.aligned import Members
from survey.clustering.walk.split_tests import displacements, smoothing_samples
from survey.validation.agreement import LEFT_OUT
from survey.validation.recluster import Linked

DEPTHS = (2, 1)
"""A spaxel is away from borders if all others so many steps away are of its cluster: about half
the width of a point-spread function. The first is taken at which enough is left."""

FEWEST_SPAXELS = 20

_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Variance:
    """Mean squared differences of smoothed spectra.

    Attributes
    ----------
    within, total : float
        From the means of their clusters, and from the mean of all.
    of_cluster : (k,) array
        From the mean of a cluster, of its spaxels; NaN without any.
    apart : (k,) array
        Of the mean of a cluster from that of the nearest other.
    """

    within: float
    total: float
    of_cluster: NDArray[np.float64]
    apart: NDArray[np.float64]


def inner_spaxels(labels: Labels, to_border: NDArray[np.integer]) -> NDArray[np.bool_] | None:
    """(n,) spaxels away from borders; None if there are too few, or those of one cluster only.

    Parameters
    ----------
    labels : (n,) array of int
    to_border : (n,) array of int
        Steps to the nearest spaxel of another cluster, see `steps_to_border`.
    """
    for depth in DEPTHS:
        inner = to_border > depth
        if inner.sum() >= FEWEST_SPAXELS and len(np.unique(labels[inner])) > 1:
            return np.asarray(inner)
    return None


def steps_to_border(
    labels: Labels, y: NDArray[np.integer], x: NDArray[np.integer]
) -> NDArray[np.int32]:
    """(n,) steps, also diagonal ones, from each spaxel to the nearest of another cluster."""
    field = np.zeros((int(y.max()) + 1, int(x.max()) + 1), np.int32)
    field[y, x] = labels
    steps = np.full(len(labels), max(field.shape), np.int32)
    for label in np.unique(labels) if len(np.unique(labels)) > 1 else ():
        other = (field != label) & (field > 0)
        own = labels == label
        steps[own] = distance_transform_cdt(~other, "chessboard")[y[own], x[own]]
    return steps


def variance(linked: Linked, labels: Labels, chosen: NDArray[np.bool_]) -> Variance:
    """Of chosen spaxels (n,) about the clusters 1..k of `labels` (n,)."""
    spectra, weight = linked.aligned, linked.aligned.weight
    own = np.where(chosen, labels, LEFT_OUT)[linked.accepted]
    used = np.flatnonzero(own != LEFT_OUT)
    k = int(labels.max())
    of_cluster, light = np.full(k, np.nan), np.zeros(k)
    means: dict[int, NDArray[np.float64]] = {}
    for label in np.unique(own[used]):
        members = np.flatnonzero(own == label)
        mean = means[int(label) - 1] = spectra.mean(members).values
        squares = _squares(spectra.blocks(members), mean, spectra.max_shift)
        light[label - 1] = weight[members].sum()
        unbiased = len(members) / max(len(members) - 1, 1)
        of_cluster[label - 1] = unbiased * (weight[members] @ squares) / light[label - 1]
    apart = np.full(k, np.nan)
    for number, mean in means.items():
        others = np.stack([other for name, other in means.items() if name != number] or [mean])
        block = [(np.arange(len(others)), others)]
        apart[number] = _squares(block, mean, spectra.max_shift).min()
    if not len(used):
        return Variance(np.nan, np.nan, of_cluster, apart)
    whole = spectra.mean(used).values
    squares = _squares(spectra.blocks(used), whole, spectra.max_shift)
    total = float(weight[used] @ squares / weight[used].sum())
    return Variance(float(np.nansum(of_cluster * light) / light.sum()), total, of_cluster, apart)


def unexplained(observed: Variance, simulated: Variance) -> float:
    """The share of the differences between spaxels that is left within their clusters.

    Parameters
    ----------
    observed : Variance
    simulated : Variance
        Of a galaxy with the same clusters, whose spaxels differ by noise only.

    Returns
    -------
    float
        0 if only noise is left, 1 if clusters explain nothing; NaN if nothing differs.
    """
    left, all_of_it = (value - simulated.within for value in (observed.within, observed.total))
    return float(np.clip(left / all_of_it, 0.0, 1.0)) if all_of_it > 0 else np.nan


def unexplained_of_clusters(observed: Variance, simulated: Variance) -> NDArray[np.float64]:
    """(k,) the same for a cluster and the nearest other, as if both had as many spaxels.

    Two equal clusters a distance d apart have a variance of d^2 / 4 between them.
    """
    left = np.maximum(observed.of_cluster - simulated.of_cluster, 0.0)
    return np.asarray(left / np.maximum(left + observed.apart / 4.0, _TINY))


def _squares(
    blocks: Iterable[tuple[Members, NDArray[np.floating]]],
    mean: NDArray[np.float64],
    max_shift: int,
) -> NDArray[np.float64]:
    """Squared norms of spectra less a mean, its displacements fitted away, smoothed."""
    basis = np.linalg.qr(displacements(mean))[0].astype(np.float32)
    sigma = smoothing_samples(max_shift)
    found = []
    for _, aligned in blocks:
        rest = (aligned - mean).astype(np.float32)
        rest -= (rest @ basis) @ basis.T
        smooth = gaussian_filter1d(rest, sigma, axis=1)
        found.append(np.einsum("ij,ij->i", smooth, smooth, dtype=np.float64))
    return np.concatenate(found)
