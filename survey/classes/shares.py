"""Shares of the classes in the light of clusters and galaxies.

Where spaxels are mixtures of the clusters of their galaxy (`survey.clustering.walk.fractions`), the
light of each spaxel is divided among the clusters by these fractions, and counts for the classes of
each by their probabilities: an expected share. It is no probability: that says how sure a class is,
the share how much of the light the class has. A cluster that is AGN without doubt may have a third
of its light from star formation. On simulated galaxies expected shares are nearer to the truth than
those that count each cluster for its most probable class alone: docs/method.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.classes.types import Floats


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


def class_shares(light: Floats, p: Floats) -> Floats:
    """Expected shares (R, C) of the classes in each row of light.

    Their sum is less than one by the light of end-members without a class.

    Parameters
    ----------
    light : array (R, K)
        Light of each end-member, see `end_member_light`.
    p : array (K, C)
        Probabilities of the classes for each end-member; NaN for one without a class.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(light @ np.nan_to_num(p) / light.sum(axis=1, keepdims=True))
