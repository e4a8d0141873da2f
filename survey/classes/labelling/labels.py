"""Initial labels: which clusters regions of known class label.

A class labels the clusters of which its regions cover more than `min_fraction`. A region that
covers no cluster so far labels the cluster that holds most of it: people draw circles on a nucleus
or a knot, and its cluster is often larger than the circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.classes.labelling.nucleus_disc import PlaceLabel, same_name
from survey.classes.labelling.regions import LabelRegion
from survey.classes.types import UNLABELLED, Bools, Floats, Labels
from survey.errors import ConfigError


@dataclass(frozen=True)
class RegionLabels:
    """Labels of the K clusters of a galaxy.

    Attributes
    ----------
    clusters : int array (K,)
        Numbers of the clusters, increasing.
    labels : array (K,)
        Positions of classes, or `UNLABELLED`.
    coverage : array (K, C)
        Fraction of the cluster's spaxels inside regions of each class.
    conflicts : tuple of int
        Clusters that regions of different classes claim; they stay unlabelled.
    partly : tuple of int
        Labelled clusters that regions of their class cover by no more than the fraction asked
        for: each holds most of such a region.
    """

    clusters: NDArray[np.integer]
    labels: Labels
    coverage: Floats
    conflicts: tuple[int, ...]
    partly: tuple[int, ...] = ()


def label_clusters(
    cluster: NDArray[np.integer],
    ra_deg: Floats,
    dec_deg: Floats,
    *,
    galaxy: str,
    regions: Sequence[LabelRegion],
    classes: Sequence[str],
    min_fraction: float,
    places: Sequence[PlaceLabel] = (),
    nuclear: int = 0,
) -> RegionLabels:
    """Label the clusters of one galaxy by the positions of its spaxels.

    Parameters
    ----------
    cluster : int array (S,)
        Cluster of every spaxel, 0 for none.
    ra_deg, dec_deg : array (S,)
        Positions of the spaxels (ICRS).
    min_fraction : float
        A class claims a cluster of which it covers more than this.
    places : sequence of PlaceLabel
        Labels without coordinates.
    nuclear : int
        Cluster of the nucleus, 0 for none.

    Raises
    ------
    ConfigError
        If a region or place has a class that is not one of `classes`.
    """
    given = {region.class_name for region in regions} | {place.class_name for place in places}
    check_classes(given, classes)
    clustered = cluster > 0
    clusters, position = np.unique(cluster[clustered], return_inverse=True)
    size = np.bincount(position, minlength=len(clusters))
    inside = np.zeros((clustered.sum(), len(classes)), dtype=bool)
    held = []
    for region in regions:
        if not region.galaxy or same_name(region.galaxy, galaxy):
            label = classes.index(region.class_name)
            spaxels = region.contains(ra_deg, dec_deg)[clustered]
            inside[:, label] |= spaxels
            held.append((label, np.bincount(position[spaxels], minlength=len(clusters))))
    for place in places:
        if same_name(place.galaxy, galaxy):
            spaxels = place.contains(cluster, nuclear)[clustered]
            inside[:, classes.index(place.class_name)] |= spaxels

    covered = np.zeros((len(clusters), len(classes)))
    np.add.at(covered, position, inside)
    coverage = covered / size[:, np.newaxis]
    mostly = coverage > min_fraction
    partly = _partly_covered(held, mostly, size, min_fraction)
    # What is covered by more than the fraction asked for decides; the rest labels what is left.
    claims = np.where(mostly.any(axis=1, keepdims=True), mostly, partly)
    one = claims.sum(axis=1) == 1
    return RegionLabels(
        clusters=clusters,
        labels=np.where(one, claims.argmax(axis=1), UNLABELLED).astype(np.int32),
        coverage=coverage,
        conflicts=tuple(clusters[claims.sum(axis=1) > 1].tolist()),
        partly=tuple(clusters[one & ~mostly.any(axis=1)].tolist()),
    )


def _partly_covered(
    held: Sequence[tuple[int, NDArray[np.integer]]],
    mostly: Bools,
    size: NDArray[np.integer],
    min_fraction: float,
) -> Bools:
    """Clusters (K, C) claimed by the regions that cover no cluster by more than `min_fraction`.

    `held` has the class of every region, and its spaxels in each cluster (K,). Of two clusters
    that hold equally many, the first is claimed. One that all regions of a class cover together,
    `mostly` (K, C), has its label already.
    """
    claims = np.zeros_like(mostly)
    for label, spaxels in held:
        if spaxels.any() and not (spaxels > min_fraction * size).any():
            claims[spaxels.argmax(), label] = True
    return claims


def check_classes(given: Iterable[str], classes: Sequence[str]) -> None:
    """Refuse labels of classes that there are none of.

    Raises
    ------
    ConfigError
        If a class given is not one of `classes`.
    """
    strange = sorted(set(given) - set(classes))
    if strange:
        raise ConfigError(
            "labels have classes that are not in the settings",
            expected=", ".join(classes),
            found=", ".join(strange),
        )
