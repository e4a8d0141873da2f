"""Shares of the classes in the light of clusters and galaxies.

Where spaxels are mixtures of the clusters of their galaxy (`survey.clustering.walk.fractions`), the
light of each spaxel is divided among the clusters by these fractions, and counts for the class of
each. A share is no probability: the probability says how sure a class is, the share how much of the
light it has. A cluster that is AGN without doubt may have a third of its light from star formation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.classes.types import Floats, Labels


def end_member_light(
    cluster: NDArray[np.integer], light: Floats, fractions: NDArray[np.floating]
) -> Floats:
    """Light (K, K) that each cluster (row) has of each end-member (column).

    Parameters
    ----------
    cluster : int array (S,)
        Cluster 1..K of every spaxel.
    light : array (S,)
        Integrated flux of every spaxel, in any unit.
    fractions : array (S, K)
        Fractions of the clusters 1..K in the light of every spaxel, with a sum of one.
    """
    total = np.zeros((fractions.shape[1],) * 2)
    np.add.at(total, cluster - 1, light[:, np.newaxis] * fractions)
    return total


def class_shares(light: Floats, label: Labels, n_classes: int) -> Floats:
    """Shares (R, C) of the classes in each row of light.

    Their sum is less than one by the light of end-members without a class.

    Parameters
    ----------
    light : array (R, K)
        Light of each end-member, see `end_member_light`.
    label : array (K,)
        Class of each end-member, a position, or -1 (`UNLABELLED`).
    n_classes : int
    """
    of_class = label[:, np.newaxis] == np.arange(n_classes)  # UNLABELLED is none of them
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(light @ of_class / light.sum(axis=1, keepdims=True))
