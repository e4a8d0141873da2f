"""Geometry of the clusters on the image: size, centroid, nucleus, edge of the field.

Positions are pixel coordinates of the image, the first pixel centred on (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt


@dataclass(frozen=True)
class ClusterGeometry:
    """Geometry of clusters 1..k, in the order of their labels.

    Parameters
    ----------
    n_spaxel : (k,) array of int
    area_arcsec2 : (k,) array
    centroid_y, centroid_x : (k,) arrays
        Mean position of the spaxels.
    flux_centroid_y, flux_centroid_x : (k,) arrays
        Mean position weighted by brightness.
    radius_arcsec : (k,) array
        Radius of the circle of the same area.
    offset_arcsec : (k,) array
        Distance of the flux centroid from the photometric centre.
    nuclear : (k,) array of bool
        True for the cluster with the largest share of the light within the nuclear radius of the
        photometric centre; for none if no spaxel there was clustered.
    touches_edge : (k,) array of bool
        True where a spaxel of the cluster lies at the edge of the observed field.
    """

    n_spaxel: NDArray[np.intp]
    area_arcsec2: NDArray[np.float64]
    centroid_y: NDArray[np.float64]
    centroid_x: NDArray[np.float64]
    flux_centroid_y: NDArray[np.float64]
    flux_centroid_x: NDArray[np.float64]
    radius_arcsec: NDArray[np.float64]
    offset_arcsec: NDArray[np.float64]
    nuclear: NDArray[np.bool_]
    touches_edge: NDArray[np.bool_]


def cluster_geometry(
    labels: NDArray[np.integer],
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    brightness: NDArray[np.floating],
    *,
    centre: tuple[float, float],
    field: NDArray[np.bool_],
    spaxel_area_arcsec2: float,
    nuclear_radius_arcsec: float,
) -> ClusterGeometry:
    """Measure every cluster on the image.

    Parameters
    ----------
    labels : (n,) array of int
        1..k, none empty.
    y, x : (n,) arrays of int
        Positions of the spaxels.
    brightness : (n,) array
        Positive surface brightness of the spaxels.
    centre : (y, x)
        Photometric centre, see `survey.spectra.centre`.
    field : (Y, X) array of bool
        Spaxels with data, clustered or not.
    spaxel_area_arcsec2, nuclear_radius_arcsec : float
    """
    scale_arcsec = np.sqrt(spaxel_area_arcsec2)
    count = np.bincount(labels)[1:]
    area_arcsec2 = np.asarray(count * spaxel_area_arcsec2, dtype=np.float64)
    mean_y, mean_x = _centroids(labels, y, x, np.ones(len(labels)))
    flux_y, flux_x = _centroids(labels, y, x, brightness)
    near = scale_arcsec * np.hypot(y - centre[0], x - centre[1]) <= nuclear_radius_arcsec
    edge = edge_of_field(field)
    return ClusterGeometry(
        n_spaxel=count,
        area_arcsec2=area_arcsec2,
        centroid_y=mean_y,
        centroid_x=mean_x,
        flux_centroid_y=flux_y,
        flux_centroid_x=flux_x,
        radius_arcsec=np.sqrt(area_arcsec2 / np.pi),
        offset_arcsec=scale_arcsec * np.hypot(flux_y - centre[0], flux_x - centre[1]),
        nuclear=_holds_largest_share(labels, near * brightness),
        touches_edge=np.bincount(labels, edge[y, x])[1:] > 0,
    )


def edge_of_field(field: NDArray[np.bool_], width: float = 1.0) -> NDArray[np.bool_]:
    """(Y, X) spaxels of a field that are at most `width` spaxels from one outside it.

    By default those that have a side in common with one.
    """
    distance = distance_transform_edt(np.pad(field, 1))[1:-1, 1:-1]
    return np.asarray(field & (distance <= width))


def _centroids(
    labels: NDArray[np.integer],
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    weight: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = np.bincount(labels, weight)[1:]
    return np.bincount(labels, weight * y)[1:] / total, np.bincount(labels, weight * x)[1:] / total


def _holds_largest_share(
    labels: NDArray[np.integer], weight: NDArray[np.floating]
) -> NDArray[np.bool_]:
    share = np.bincount(labels, weight)[1:]
    holds = np.zeros(len(share), dtype=bool)
    holds[np.argmax(share)] = share.max() > 0
    return holds
