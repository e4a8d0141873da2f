"""Trees in half the memory: nearest-neighbour chain on a condensed matrix in single precision.

The chain (Murtagh 1983; Müllner 2011, section 3.1) follows nearest neighbours until two clusters
are each other's nearest neighbour, merges them, and continues from the cluster before. fastcluster
does the same in double precision. Memory is the matrix and a short list per spaxel: 2 n^2 bytes.

Reading columns takes most time: in a condensed matrix every number of a column is on another page.
So a search keeps the nearest few clusters, not only the nearest (see
`survey.linkage.neighbour_lists`), and a new search is made when the list is empty. The list of a
new cluster is made while its distances are computed. When a third of the clusters is gone, the
matrix is moved together, which closes the gaps of merged clusters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from survey.distances.compiled import compiled
from survey.distances.lags import Array
from survey.errors import DataError
from survey.linkage.dendrogram import Merges, Tree, sorted_tree
from survey.linkage.fastcluster import count_spectra
from survey.linkage.lance_williams import FASTMATH, Linkage, combined
from survey.linkage.neighbour_lists import (
    list_if_near,
    list_union,
    lists_of,
    no_neighbours,
    remove_pair,
)

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
        If `condensed` is not a condensed matrix, or has values out of range.
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


@compiled(nogil=True, fastmath=FASTMATH)
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
            near = lists_of(near, kept)
            for k in range(n_alive):
                near.slot[k, : near.listed[k]] = moved[near.slot[k, : near.listed[k]]]
            chain[:length] = moved[chain[:length]]
            union = moved[union]
            members, sizes = members[kept], sizes[kept]
            before = _before(n_alive)
            alive = np.arange(n_alive)
    return first, second, height


@compiled()
def _before(size):  # type: ignore[no-untyped-def]
    """Place that column 0 of every row of a condensed matrix would have, were it stored."""
    row = np.arange(size)
    return row * (2 * size - row - 1) // 2 - row - 1


@compiled(nogil=True, fastmath=FASTMATH)
def _all_neighbours(values, before):  # type: ignore[no-untyped-def]
    """The neighbours of all clusters; the matrix is read in order."""
    size = len(before)
    near = no_neighbours(size, values)
    for row in range(size):
        for column in range(row + 1, size):
            value = values[before[row] + column]
            list_if_near(near, row, column, value)
            list_if_near(near, column, row, value)
    return near


@compiled(nogil=True, fastmath=FASTMATH)
def _search(values, before, alive, slot, near):  # type: ignore[no-untyped-def]
    """Find the neighbours of one cluster."""
    near.listed[slot], near.bound[slot] = 0, np.inf
    for other in alive:
        if other == slot:
            continue
        value = values[before[other] + slot if other < slot else before[slot] + other]
        list_if_near(near, slot, other, value)


@compiled(nogil=True, fastmath=FASTMATH)
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
        list_if_near(near, i, k, value)
        # The union is no nearer than the nearer of the two was: other lists stay as they are.
        if min(from_i, from_j) <= near.bound[k] and remove_pair(near, k, i, j):
            list_union(near, k, i, value)


@compiled(nogil=True)
def _close_gaps(values, before, kept):  # type: ignore[no-untyped-def]
    """Move the pairs of the clusters that remain together; nothing is read after it is written."""
    to = 0
    for a in range(len(kept)):
        row = before[kept[a]]
        for column in kept[a + 1 :]:
            values[to] = values[row + column]
            to += 1
