"""Trees in half the memory: nearest-neighbour chain on a condensed matrix in single precision.

The chain (Murtagh 1983; Müllner 2011, section 3.1) follows nearest neighbours until two are
each other's, merges these, and goes on from where it stood. fastcluster does the same in double
precision. Memory is the matrix and a short list per spaxel: 2 n^2 bytes.

What costs time is to read columns: in a condensed matrix every number of a column lies on
another page. So a search does not keep the nearest neighbour only but the nearest few, and the
distance beyond which all others are. Because no merge brings a third cluster nearer, the list
outlives merges, shrinks by them, and the next search is due when it is empty. The list of a new
cluster is made while its distances are computed; and the gaps that merged clusters leave are
closed by moving the matrix together whenever a third of it is gone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from survey.clustering.dendrogram import Merges, Tree, sorted_tree
from survey.clustering.lags import Array
from survey.clustering.linkage import count_spectra
from survey.clustering.merging import FASTMATH, Linkage, combined
from survey.errors import DataError

LISTED = 8
"""Neighbours kept by a search: with more, the lists cost as much as the searches they save."""

SMALLEST_TO_CLOSE = 64
KEPT_FRACTION = 0.67
"""Gaps are closed when less than this fraction of the clusters is left."""


def chain_tree(condensed: Array, linkage: Linkage) -> Tree:
    """Merge spectra into a tree, in the memory of their distances.

    Parameters
    ----------
    condensed : (n (n - 1) / 2,) array of float32 or float64
        Squared distances. Overwritten.
    linkage : Linkage

    Returns
    -------
    (n - 1, 4) array
        As of `linkage_tree`, but for rounding.

    Raises
    ------
    DataError
        If `condensed` is no condensed matrix, or has values out of range.
    """
    size = count_spectra(condensed)
    with np.errstate(over="ignore"):
        highest = linkage.feed(condensed.max(keepdims=True))
    if not np.isfinite(highest).all():
        raise DataError(
            "distances out of range",
            expected=f"values that can be squared in {condensed.dtype}",
            found=f"values up to {condensed.max()}",
        )
    merges = chain_merges(linkage.feed(condensed), np.arange(size), np.ones(size), linkage)
    return sorted_tree(merges)


def chain_merges(
    values: Array,
    members: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.float64],
    linkage: Linkage,
) -> Merges:
    """Merge clusters until one is left.

    Parameters
    ----------
    values : (m (m - 1) / 2,) array
        Distances in the unit of `Linkage.feed`, condensed. Overwritten.
    members : (m,) array of int
        The smallest member of each cluster, increasing.
    sizes : (m,) array of float64
        Number of members of each cluster, or their weight.
    linkage : Linkage
    """
    first, second, height = _chain(values, members.copy(), sizes.copy(), linkage.code)
    return Merges(first, second, linkage.heights(height))


class _Neighbours(NamedTuple):
    """The nearest clusters of every cluster, nearest first, as far as they are known.

    The first `listed` columns are filled. All others are as far as `bound` or further, and none
    of those as far comes before the ones listed.
    """

    slot: npt.NDArray[np.int64]
    distance: Array
    listed: npt.NDArray[np.int64]
    bound: Array


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _chain(values, members, sizes, code):  # type: ignore[no-untyped-def]
    """The merges; slots are places in the condensed matrix as it is at the time."""
    n_merges = len(members) - 1
    first, second = np.empty(n_merges, np.int64), np.empty(n_merges, np.int64)
    height = np.empty(n_merges, values.dtype)

    n_alive = len(members)
    before = _before(n_alive)
    alive = np.arange(n_alive)
    near = _all_neighbours(values, before)
    chain = np.empty(n_alive, np.int64)
    length = union = 0

    for merge in range(n_merges):
        if length == 0:
            chain[0], length = union, 1
        while True:
            i = chain[length - 1]
            if near.listed[i] == 0:
                _search(values, before, alive[:n_alive], i, near)
            j = near.slot[i, 0]
            if length > 1 and j == chain[length - 2]:
                break
            chain[length] = j
            length += 1
        length -= 2
        i, j = min(i, j), max(i, j)
        first[merge], second[merge], height[merge] = members[i], members[j], values[before[i] + j]

        place = np.searchsorted(alive[:n_alive], j)
        alive[place : n_alive - 1] = alive[place + 1 : n_alive]
        n_alive -= 1
        _merge(values, before, alive[:n_alive], i, j, sizes, code, near)
        sizes[i] += sizes[j]
        union = i

        if SMALLEST_TO_CLOSE < n_alive < KEPT_FRACTION * len(before):
            kept = alive[:n_alive].copy()
            _close_gaps(values, before, kept)
            moved = np.empty(len(before), np.int64)
            moved[kept] = np.arange(n_alive)
            near = _Neighbours(
                near.slot[kept], near.distance[kept], near.listed[kept], near.bound[kept]
            )
            for k in range(n_alive):
                near.slot[k, : near.listed[k]] = moved[near.slot[k, : near.listed[k]]]
            chain[:length] = moved[chain[:length]]
            union = moved[union]
            members, sizes = members[kept], sizes[kept]
            before = _before(n_alive)
            alive = np.arange(n_alive)
    return first, second, height


@njit(cache=True)
def _before(size):  # type: ignore[no-untyped-def]
    """Place that column 0 of every row of a condensed matrix would have, were it stored."""
    row = np.arange(size)
    return row * (2 * size - row - 1) // 2 - row - 1


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _all_neighbours(values, before):  # type: ignore[no-untyped-def]
    """The neighbours of all clusters; the matrix is read in order."""
    size = len(before)
    near = _Neighbours(
        np.zeros((size, LISTED), np.int64),
        np.full((size, LISTED), np.inf, values.dtype),
        np.zeros(size, np.int64),
        np.full(size, np.inf, values.dtype),
    )
    for row in range(size):
        for column in range(row + 1, size):
            value = values[before[row] + column]
            _heed(near, row, column, value)
            _heed(near, column, row, value)
    return near


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _search(values, before, alive, slot, near):  # type: ignore[no-untyped-def]
    """Find the neighbours of one cluster."""
    near.listed[slot], near.bound[slot] = 0, np.inf
    for other in alive:
        if other == slot:
            continue
        value = values[before[other] + slot if other < slot else before[slot] + other]
        _heed(near, slot, other, value)


@njit(inline="always")
def _heed(near, slot, other, value):  # type: ignore[no-untyped-def]
    """List a neighbour if it is among the nearest so far; they come by increasing slot."""
    if value <= near.bound[slot]:
        _put(near, slot, other, value)
        if near.listed[slot] == LISTED:
            near.bound[slot] = near.distance[slot, LISTED - 1]


@njit(cache=True, nogil=True)
def _put(near, slot, other, value):  # type: ignore[no-untyped-def]
    """Insert a neighbour in its place, of equals the larger first; a full list loses its last."""
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


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _merge(values, before, alive, i, j, sizes, code, near):  # type: ignore[no-untyped-def]
    """Let cluster j disappear in i, in the matrix and in all lists of neighbours."""
    between = values[before[i] + j]
    n_i, n_j = sizes[i], sizes[j]
    near.listed[i], near.bound[i] = 0, np.inf
    for k in alive:
        if k == i:
            continue
        to_i = before[k] + i if k < i else before[i] + k
        to_j = before[k] + j if k < j else before[j] + k
        from_i, from_j = values[to_i], values[to_j]
        value = values.dtype.type(combined(code, from_i, from_j, between, n_i, n_j, sizes[k]))
        values[to_i] = value
        _heed(near, i, k, value)
        # The union is no nearer than the nearer of the two was: other lists stay as they are.
        if min(from_i, from_j) <= near.bound[k]:
            _replace(near, k, i, j, value)


@njit(cache=True, nogil=True)
def _replace(near, slot, i, j, value):  # type: ignore[no-untyped-def]
    """Take two clusters from a list, and put their union i where it belongs, if anywhere."""
    count = 0
    for place in range(near.listed[slot]):
        other = near.slot[slot, place]
        if other not in (i, j):
            near.slot[slot, count] = other
            near.distance[slot, count] = near.distance[slot, place]
            count += 1
    near.listed[slot] = count
    if value < near.bound[slot]:
        _put(near, slot, i, value)
    elif value == near.bound[slot]:
        # Whether it comes before those listed that are as far is not known, nor before others.
        while count > 0 and near.distance[slot, count - 1] == value:
            count -= 1
        near.listed[slot] = count


@njit(cache=True, nogil=True)
def _close_gaps(values, before, kept):  # type: ignore[no-untyped-def]
    """Move the pairs of the clusters that remain together; nothing is read after it is written."""
    to = 0
    for a in range(len(kept)):
        row = before[kept[a]]
        for column in kept[a + 1 :]:
            values[to] = values[row + column]
            to += 1
