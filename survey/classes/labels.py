"""Initial labels: a cluster gets the class of the regions that cover most of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.classes.nucleus_disc import PlaceLabel, same_name
from survey.classes.regions import LabelRegion
from survey.classes.types import UNLABELLED, Floats, Labels
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
    """

    clusters: NDArray[np.integer]
    labels: Labels
    coverage: Floats
    conflicts: tuple[int, ...]


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
    inside = np.zeros((len(cluster), len(classes)), dtype=bool)
    for region in regions:
        if not region.galaxy or same_name(region.galaxy, galaxy):
            inside[:, classes.index(region.class_name)] |= region.contains(ra_deg, dec_deg)
    for place in places:
        if same_name(place.galaxy, galaxy):
            inside[:, classes.index(place.class_name)] |= place.contains(cluster, nuclear)

    clustered = cluster > 0
    clusters, position = np.unique(cluster[clustered], return_inverse=True)
    covered = np.zeros((len(clusters), len(classes)))
    np.add.at(covered, position, inside[clustered])
    coverage = covered / np.bincount(position, minlength=len(clusters))[:, np.newaxis]
    claims = coverage > min_fraction
    one = claims.sum(axis=1) == 1
    return RegionLabels(
        clusters=clusters,
        labels=np.where(one, claims.argmax(axis=1), UNLABELLED).astype(np.int32),
        coverage=coverage,
        conflicts=tuple(clusters[claims.sum(axis=1) > 1].tolist()),
    )


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
