"""Lists of the few nearest clusters of every cluster, which stay valid when clusters merge.

For a reducible linkage no merge brings a third cluster nearer. So a list of the nearest clusters,
with the distance beyond which all others are, stays valid after merges and only becomes shorter. A
new search for the nearest neighbour is needed only when the list is empty, and not whenever the
nearest neighbour was merged.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from survey.distances.compiled import compiled
from survey.distances.lags import Array

LISTED = 8
"""Neighbours that a search keeps: longer lists would cost as much as the searches they save."""


class Neighbours(NamedTuple):
    """The nearest clusters of m clusters, nearest first, as far as they are known.

    The first `listed` columns are filled. All other clusters are as far as `bound` or further,
    and none of those as far comes before the ones listed; of equals the larger comes first.
    """

    slot: npt.NDArray[np.int64]
    distance: Array
    listed: npt.NDArray[np.int64]
    bound: Array


@compiled()
def no_neighbours(size, like):  # type: ignore[no-untyped-def]
    """Empty lists of distances of the type of the array `like`."""
    return Neighbours(
        np.zeros((size, LISTED), np.int64),
        np.full((size, LISTED), np.inf, like.dtype),
        np.zeros(size, np.int64),
        np.full(size, np.inf, like.dtype),
    )


@compiled()
def lists_of(near, slots):  # type: ignore[no-untyped-def]
    """The lists of some of the clusters."""
    return Neighbours(near.slot[slots], near.distance[slots], near.listed[slots], near.bound[slots])


@njit(inline="always")
def list_if_near(near, slot, other, value):  # type: ignore[no-untyped-def]
    """List a cluster if it is among the nearest so far; a search goes by increasing slot."""
    if value <= near.bound[slot]:
        put(near, slot, other, value)
        if near.listed[slot] == LISTED:
            near.bound[slot] = near.distance[slot, LISTED - 1]


@compiled(nogil=True)
def put(near, slot, other, value):  # type: ignore[no-untyped-def]
    """Insert a cluster in its place, of equals the larger first; a full list loses its last."""
    place = min(near.listed[slot], LISTED - 1)
    near.listed[slot] = place + 1
    while place > 0 and (
        near.distance[slot, place - 1] > value
        or (near.distance[slot, place - 1] == value and near.slot[slot, place - 1] < other)
    ):
        near.distance[slot, place] = near.distance[slot, place - 1]
        near.slot[slot, place] = near.slot[slot, place - 1]
        place -= 1
    near.distance[slot, place], near.slot[slot, place] = value, other


@compiled(nogil=True)
def remove_pair(near, slot, i, j):  # type: ignore[no-untyped-def]
    """Remove two clusters from a list; returns whether any was in it."""
    count = 0
    for place in range(near.listed[slot]):
        other = near.slot[slot, place]
        if other != i and other != j:
            near.slot[slot, count] = other
            near.distance[slot, count] = near.distance[slot, place]
            count += 1
    found = count < near.listed[slot]
    near.listed[slot] = count
    return found


@compiled(nogil=True)
def list_union(near, slot, union, value):  # type: ignore[no-untyped-def]
    """Put the union of two clusters that were listed where it belongs, if anywhere."""
    if value < near.bound[slot]:
        put(near, slot, union, value)
    elif value == near.bound[slot]:
        # Whether it comes before those listed that are as far is not known, nor before others.
        while near.listed[slot] and near.distance[slot, near.listed[slot] - 1] == value:
            near.listed[slot] -= 1
