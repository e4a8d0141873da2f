"""The connected parts of every cluster on the image.

A cluster is a kind of spectrum, and its spaxels need not be together. Spaxels that touch, also at a
corner, are one part: structures a spaxel wide that run diagonally stay whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as label_connected

from survey.clustering.profiles import stacked_snr
from survey.spectra.blocks import Rows

_TOUCHING = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class ClusterParts:
    """The parts of clusters 1..k, in the order of cluster and part.

    Parameters
    ----------
    of_spaxel : (n,) array of int
        Part of every spaxel in its cluster: 0 is the one of most spaxels, of equals the brighter.
    cluster, part : (m,) arrays of int
    n_spaxel : (m,) array of int
    centroid_y, centroid_x : (m,) arrays
        Mean position of the spaxels.
    light_fraction : (m,) array
        Share in the light of the cluster.
    continuum_snr : (m,) array
        Continuum over the noise of one sample of the mean spectrum.
    touches_edge : (m,) array of bool
    """

    of_spaxel: NDArray[np.int32]
    cluster: NDArray[np.int32]
    part: NDArray[np.int32]
    n_spaxel: NDArray[np.intp]
    centroid_y: NDArray[np.float64]
    centroid_x: NDArray[np.float64]
    light_fraction: NDArray[np.float64]
    continuum_snr: NDArray[np.float64]
    touches_edge: NDArray[np.bool_]


def cluster_parts(
    flux: Rows,
    labels: NDArray[np.integer],
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    brightness: NDArray[np.floating],
    at_edge: NDArray[np.bool_],
) -> ClusterParts:
    """Number the connected parts of every cluster and describe them.

    Parameters
    ----------
    flux : (n, L) table
        Spectra of the spaxels.
    labels : (n,) array of int
        Clusters 1..k, none empty.
    y, x : (n,) arrays of int
        Positions of the spaxels.
    brightness : (n,) array
        Surface brightness of the spaxels.
    at_edge : (n,) array of bool
        Spaxels at the edge of the observed field.
    """
    piece, n_piece = _connected(labels, y, x)
    count = np.bincount(piece, minlength=n_piece)
    light = np.bincount(piece, brightness, minlength=n_piece)
    cluster = np.zeros(n_piece, dtype=np.int32)
    cluster[piece] = labels

    order = np.lexsort((-light, -count, cluster))
    cluster, count, light = cluster[order], count[order], light[order]
    first = np.searchsorted(cluster, cluster)
    part = (np.arange(n_piece) - first).astype(np.int32)
    row = np.empty(n_piece, dtype=np.intp)
    row[order] = np.arange(n_piece)
    row_of_spaxel = row[piece]
    of_cluster = np.bincount(cluster, light)[cluster]
    return ClusterParts(
        of_spaxel=part[row_of_spaxel],
        cluster=cluster,
        part=part,
        n_spaxel=count,
        centroid_y=np.bincount(row_of_spaxel, y) / count,
        centroid_x=np.bincount(row_of_spaxel, x) / count,
        light_fraction=light / np.where(of_cluster > 0, of_cluster, np.nan),
        continuum_snr=stacked_snr(flux, row_of_spaxel + 1),
        touches_edge=np.bincount(row_of_spaxel, at_edge) > 0,
    )


def _connected(
    labels: NDArray[np.integer], y: NDArray[np.integer], x: NDArray[np.integer]
) -> tuple[NDArray[np.intp], int]:
    """(n,) number of the connected piece of every spaxel, and how many there are."""
    row, column = y - y.min(), x - x.min()
    image = np.zeros((row.max() + 1, column.max() + 1), dtype=labels.dtype)
    image[row, column] = labels
    piece = np.empty(len(labels), dtype=np.intp)
    n_piece = 0
    for cluster in range(1, int(labels.max()) + 1):
        found, n_found = label_connected(image == cluster, structure=_TOUCHING)
        members = labels == cluster
        piece[members] = n_piece + found[row[members], column[members]] - 1
        n_piece += n_found
    return piece, n_piece
