"""Exact trees of galaxies whose matrix is on disk: rounds of reciprocal nearest neighbours.

In a round all pairs of clusters that are each other's nearest neighbour merge at once. For
reducible methods that gives the same tree as merging them one by one (Sumengen et al. 2021,
"Scaling hierarchical agglomerative clustering to billion-sized datasets"). A round reads the rows
of the clusters that have merged, and of those whose nearest neighbour is no longer known, each
cluster independently of the others. When a third of the clusters is gone, a smaller matrix is
written. When it fits into memory, the chain merges the rest.

The driver holds `Rounds`, a few numbers per spaxel. The work is in `survey.linkage.reciprocal`:

    rounds = Rounds(n, linkage)                     # stored: rows of linkage.feed(distances)
    while rounds.n_clusters > fits:
        grouping, jobs = rounds.grouping(), rounds.jobs(...)
        rounds.merge(jobs, [nearest_clusters(grouping, job, read_rows) for job in jobs])
        if rounds.has_shrunk:
            grouping = rounds.grouping()
            for job in rounds.rewrite_jobs(...):
                store.write(job.clusters, merged_rows(grouping, job, read_rows))
            rounds.rewritten()
    tree = rounds.finish(condensed)                 # of merged_rows, as stored

where `nearest_clusters` and `merged_rows` may be called anywhere and in any order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from survey.distances.compiled import compiled
from survey.distances.lags import Array
from survey.linkage.dendrogram import Merges, Tree, sorted_tree
from survey.linkage.lance_williams import Linkage
from survey.linkage.neighbour_lists import list_union, lists_of, no_neighbours, remove_pair
from survey.linkage.nn_chain import chain_merges
from survey.linkage.reciprocal import (
    Grouping,
    Indices,
    NearestFound,
    RowJob,
    ward_distances,
)

KEPT_FRACTION = 0.67
"""A smaller matrix is written when less than this fraction of its clusters is left."""

_NONE = -1


class Rounds:
    """Clusters under way, and what is known of their neighbours.

    Clusters are numbered 0, 1, ... in the order of their first spaxels, again after every round.

    Parameters
    ----------
    size : int
        Number of spaxels n.
    linkage : Linkage

    Attributes
    ----------
    n_rounds, n_rows_read : int
        Rounds so far, and rows of stored matrices that they have read.
    """

    def __init__(self, size: int, linkage: Linkage) -> None:
        self.linkage = linkage
        self.n_rounds = self.n_rows_read = 0
        self._merges: list[Merges] = []
        self._members = np.arange(size)  # first spaxel of every cluster
        self._counts = np.ones(size)
        self._near = no_neighbours(size, np.empty(0, np.float32))
        # Clusters that had one of two that merged in their list: they ask how far the union is.
        self._asking = self._union = np.empty(0, np.int64)
        self.rewritten()

    @property
    def n_clusters(self) -> int:
        """Clusters that are left."""
        return len(self._members)

    @property
    def has_shrunk(self) -> bool:
        """Whether it is time to write a smaller matrix."""
        return self.n_clusters < KEPT_FRACTION * len(self._cluster)

    def grouping(self) -> Grouping:
        """What tasks have to know, besides their job; until the next `merge` or `rewritten`."""
        return Grouping(self.linkage.code, self._cluster, self._weight, self._within)

    def jobs(self, max_rows: int) -> list[RowJob]:
        """The work of a round, in jobs of about `max_rows` rows."""
        return self._jobs(np.flatnonzero(self._near.listed == 0), max_rows)

    def rewrite_jobs(self, max_rows: int) -> list[RowJob]:
        """All clusters, for consecutive rows of the new matrix; jobs of about `max_rows` rows."""
        return self._jobs(np.arange(self.n_clusters), max_rows)

    def merge(self, jobs: Sequence[RowJob], results: Sequence[NearestFound]) -> None:
        """End a round: take in what was found, and merge all that are each other's nearest."""
        self._take_in(jobs, results)
        first, second = self._reciprocal()
        if len(first):
            self._join(first, second)
        self.n_rounds += 1

    def rewritten(self) -> None:
        """Note that the stored matrix is now that of the present clusters."""
        self._cluster = np.arange(self.n_clusters)
        self._weight = self._counts.copy()
        self._within = np.zeros(self.n_clusters)

    def finish(self, condensed: Array) -> Tree:
        """Merge the rest in memory; returns the tree (n - 1, 4) of all.

        Parameters
        ----------
        condensed : (m (m - 1) / 2,) array of float32
            The rows of `merged_rows` for all m clusters that are left, right of the diagonal.
            Overwritten.
        """
        if self.linkage.method == "ward":
            start = 0
            for row in range(self.n_clusters):
                stop = start + self.n_clusters - row - 1
                others = self._counts[row + 1 :]
                condensed[start:stop] = ward_distances(
                    condensed[start:stop], self._counts[row], others
                )
                start = stop
        rest = chain_merges(condensed, self._members, self._counts, self.linkage)
        return sorted_tree(Merges.joined([*self._merges, rest]))

    def _jobs(self, clusters: Indices, max_rows: int) -> list[RowJob]:
        items = np.argsort(self._cluster, kind="stable")
        n_items = np.bincount(self._cluster, minlength=self.n_clusters)
        begin = np.cumsum(n_items) - n_items
        rows_before = np.cumsum(n_items[clusters]) - n_items[clusters]
        by_union = np.argsort(self._union, kind="stable")
        union = self._union[by_union]
        jobs = []
        for part in np.split(clusters, np.flatnonzero(np.diff(rows_before // max_rows)) + 1):
            if not len(part):
                continue
            # Unions are new clusters, and so among those that are looked at.
            asked = slice(*np.searchsorted(union, [part[0], part[-1] + 1]))
            jobs.append(
                RowJob(
                    clusters=part,
                    rows=np.concatenate([items[begin[c] : begin[c] + n_items[c]] for c in part]),
                    ends=np.cumsum(n_items[part]),
                    asked=self._asking[by_union[asked]],
                    asked_of=np.searchsorted(part, union[asked]),
                )
            )
        return jobs

    def _take_in(self, jobs: Sequence[RowJob], results: Sequence[NearestFound]) -> None:
        for job, found in zip(jobs, results, strict=True):
            for known, new in zip(self._near, found.near, strict=True):
                known[job.clusters] = new
            _list_unions(self._near, job.asked, job.clusters[job.asked_of], found.answers)
            self.n_rows_read += len(job.rows)
        self._asking = self._union = np.empty(0, np.int64)

    def _reciprocal(self) -> tuple[Indices, Indices]:
        """Pairs that are each other's nearest."""
        own = np.arange(self.n_clusters)
        nearest = np.where(self._near.listed > 0, self._near.slot[:, 0], own)
        first = np.flatnonzero((nearest > own) & (nearest[nearest] == own))
        if not len(first) and (self._near.listed > 0).all():
            # Three that are equally near, but for the last digit, may each prefer another.
            nearer = int(np.argmin(self._near.distance[:, 0]))
            pair = sorted((nearer, int(nearest[nearer])))
            return np.array(pair[:1]), np.array(pair[1:])
        return first, nearest[first]

    def _join(self, first: Indices, second: Indices) -> None:
        distance = self._near.distance[first, 0].astype(np.float64)
        n_first, n_second = self._counts[first], self._counts[second]
        self._merges.append(
            Merges(self._members[first], self._members[second], self.linkage.heights(distance))
        )
        if self.linkage.method == "ward":
            # The sum between the two, from their distance.
            ratio_first, ratio_second = n_second / n_first, n_first / n_second
            self._within[first] *= 1.0 + ratio_first
            self._within[first] += (1.0 + ratio_second) * self._within[second]
            self._within[first] += distance * (n_first + n_second)
        self._counts[first] += n_second

        own = np.arange(self.n_clusters)
        partner = np.full(self.n_clusters, _NONE)
        partner[first], partner[second] = second, first
        into = np.where(partner == _NONE, own, np.minimum(own, partner))
        asking, union = _forget(self._near, partner)
        asks = self._near.listed[asking] > 0  # The others are searched again.

        kept = np.flatnonzero(into == own)
        number = np.full(self.n_clusters, _NONE)
        number[kept] = np.arange(len(kept))
        self._asking, self._union = number[asking[asks]], number[union[asks]]
        self._cluster = number[into[self._cluster]]
        self._members, self._counts = self._members[kept], self._counts[kept]
        self._within = self._within[kept]
        self._near = lists_of(self._near, kept)
        _rename(self._near, number)


@compiled(nogil=True)
def _list_unions(near, slots, unions, distances):  # type: ignore[no-untyped-def]
    for k in range(len(slots)):
        list_union(near, slots[k], unions[k], distances[k])


@compiled(nogil=True)
def _forget(near, partner):  # type: ignore[no-untyped-def]
    """Take clusters that have merged out of all lists; returns whose, and the unions."""
    asking, unions = np.empty((2, near.listed.sum()), np.int64)
    n_asking = 0
    for slot in range(len(near.listed)):
        if partner[slot] != _NONE:
            near.listed[slot], near.bound[slot] = 0, np.inf
            continue
        place = 0
        while place < near.listed[slot]:
            other = near.slot[slot, place]
            if partner[other] == _NONE:
                place += 1
                continue
            remove_pair(near, slot, other, partner[other])
            asking[n_asking], unions[n_asking] = slot, min(other, partner[other])
            n_asking += 1
    return asking[:n_asking], unions[:n_asking]


@compiled(nogil=True)
def _rename(near, number):  # type: ignore[no-untyped-def]
    for slot in range(len(near.listed)):
        for place in range(near.listed[slot]):
            near.slot[slot, place] = number[near.slot[slot, place]]
