"""Label spreading: clusters without a label take that of clusters with similar spectra.

Zhou et al. 2004 (NIPS 16, 321): labels Y run along a graph of similarities W until

    F = alpha S F + (1 - alpha) Y,    S = D^(-1/2) W D^(-1/2)

and a cluster takes the class with the largest F. If no label reaches a cluster, all F are zero:
scikit-learn's `LabelSpreading` then reports the first class, and with its default kernel, whose
range shrinks with the number of predictors, that happens often. Here such clusters stay unlabelled,
as do ties.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from survey.classes.sample import Method
from survey.classes.types import UNLABELLED, Floats, Floats32, Ints, Labels
from survey.errors import ConfigError

Graph: TypeAlias = sparse.csr_array | Floats

TOLERANCE = 1e-9
"""Smaller changes between iterations, labels and similarities count as zero.

Otherwise a cluster unlike all others would be linked to its nearest neighbour like any other.
"""

MAX_DENSE = 5000
"""The rbf kernel needs all pairs of clusters: more clusters would need over 200 MB."""


def spread_labels(graph: Graph, labels: Labels, n_classes: int, alpha: float) -> Labels:
    """Label the unlabelled; `UNLABELLED` where no label arrives, or two arrive equally.

    Parameters
    ----------
    graph : (N, N) array
        As made by `similarity_graph`.
    labels : (N,) array
        Positions of classes, or `UNLABELLED`; labels given are kept.
    """
    mass = label_mass(graph, labels, n_classes, alpha)
    second, first = np.partition(mass, n_classes - 2, axis=1)[:, -2:].T
    arrived = np.where(first - second > TOLERANCE, mass.argmax(axis=1), UNLABELLED)
    return np.where(labels == UNLABELLED, arrived, labels).astype(np.int32)


def label_mass(graph: Graph, labels: Labels, n_classes: int, alpha: float) -> Floats:
    """How much of each label arrives at each cluster, shape (N, n_classes)."""
    given = (labels[:, np.newaxis] == np.arange(n_classes)).astype(np.float64)
    mass = given
    for _ in range(math.ceil(math.log(TOLERANCE) / math.log(alpha))):
        mass = alpha * (graph @ mass) + (1 - alpha) * given
    return mass


def similarity_graph(predictors: Floats32, method: Method, candidates: Ints | None = None) -> Graph:
    """Normalised similarities S of clusters by their scaled predictors (N, P).

    Nearest neighbours are looked for among all clusters, or only among `candidates` (rows,
    increasing): all pairs of an archive are the larger part of its classification.
    """
    if method.kernel == "rbf":
        return _rbf_graph(predictors, method.gamma or 1 / predictors.shape[1])
    return _neighbour_graph(predictors, method.neighbours, candidates)


def _neighbour_graph(
    predictors: Floats32, neighbours: int, candidates: Ints | None
) -> sparse.csr_array:
    """Each cluster with its nearest, closer ones weighing more.

    Distances count relative to that of the farthest neighbour at either end (Zelnik-Manor &
    Perona 2004, NIPS 17, 1601), so that sparse and dense regions are joined alike.
    """
    n = len(predictors)
    distance, nearest = _nearest(predictors, neighbours, candidates)
    k = distance.shape[1]
    reach = np.maximum(distance[:, -1], np.finfo(np.float32).tiny)
    weight = np.exp(-(distance**2) / (reach[:, np.newaxis] * reach[nearest]))
    rows = np.repeat(np.arange(n), k)
    weight[weight < TOLERANCE] = 0.0
    one_way = sparse.csr_array((weight.ravel(), (rows, nearest.ravel())), shape=(n, n))
    similar = one_way.maximum(one_way.T)
    inverse_root = sparse.diags_array(_inverse_root(similar.sum(axis=1)))
    return sparse.csr_array(inverse_root @ similar @ inverse_root)


def _nearest(predictors: Floats32, neighbours: int, candidates: Ints | None) -> tuple[Floats, Ints]:
    """Distances and rows (N, k) of the nearest clusters; nobody is a neighbour of itself."""
    n = len(predictors)
    if candidates is None:
        k = min(neighbours, n - 1)
        search = NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=1)
        distance, nearest = search.fit(predictors).kneighbors()
        return distance, nearest
    k = min(neighbours, len(candidates) - 1)
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", n_jobs=1)
    distance, position = search.fit(predictors[candidates]).kneighbors(predictors)
    nearest = candidates[position]
    kept = nearest != np.arange(n)[:, np.newaxis]
    kept[kept.all(axis=1), -1] = False  # the cluster is no candidate, or has doubles that are
    return distance[kept].reshape(n, k), nearest[kept].reshape(n, k)


def _rbf_graph(predictors: Floats32, gamma: float) -> Floats:
    if len(predictors) > MAX_DENSE:
        raise ConfigError(
            "the rbf kernel needs too much memory",
            expected=f"at most {MAX_DENSE} clusters",
            found=str(len(predictors)),
            advice='Choose kernel = "knn".',
        )
    similar = np.exp(-gamma * cdist(predictors, predictors, "sqeuclidean"))
    np.fill_diagonal(similar, 0.0)
    similar[similar < TOLERANCE] = 0.0
    inverse_root = _inverse_root(similar.sum(axis=1))
    return np.asarray(inverse_root[:, np.newaxis] * similar * inverse_root)


def _inverse_root(degree: Floats) -> Floats:
    """D^(-1/2), zero for a cluster that resembles no other."""
    return np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1.0)), 0.0)
