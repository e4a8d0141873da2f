"""The spaxel at the middle of a cluster, found among some members where there are many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.clustering.condensed import sums_to_clusters
from survey.clustering.distances import shifted_distances
from survey.spectra.rows import Rows

MAX_CANDIDATES = 2000
"""Members among which a medoid is looked for, drawn at random from a cluster of more."""

_SEED = 20_240_602


def sampled_medoids(
    spectra: Rows, labels: NDArray[np.integer], max_shift: int, *, threads: int = 1
) -> NDArray[np.intp]:
    """Spaxel (k,) of each cluster 1..k with the least summed distance to the candidates.

    For a cluster of up to `MAX_CANDIDATES` members that is the medoid, see `cluster_medoids`. In
    a larger one the sums over candidates stand for those over all members; no more distances
    are computed than between them.

    Parameters
    ----------
    spectra : (n, L) table of float, finite
    labels : (n,) array of int
        1..k, none empty.
    max_shift : int
        In samples.
    threads : int
    """
    rng = np.random.default_rng(_SEED)
    medoids = np.empty(int(labels.max()), dtype=np.intp)
    for label in range(1, len(medoids) + 1):
        members = np.flatnonzero(labels == label)
        if len(members) > MAX_CANDIDATES:
            members = np.sort(rng.choice(members, MAX_CANDIDATES, replace=False))
        medoids[label - 1] = members[_middle(spectra[members], max_shift, threads)]
    return medoids


def _middle(spectra: NDArray[np.floating], max_shift: int, threads: int) -> int:
    if len(spectra) == 1:
        return 0
    condensed = shifted_distances(spectra, max_shift, dtype="float32", threads=threads).condensed
    one_cluster = np.zeros(len(spectra), dtype=np.intp)
    return int(np.argmin(sums_to_clusters(condensed, one_cluster, 1)[0]))
