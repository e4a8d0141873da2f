"""One task of a round of merging: arithmetic on rows of a stored matrix.

The stored matrix is that of earlier clusters, called items here; present clusters are groups of
items. A row of present distances is a weighted sum of the rows of the group, summed over the groups
of columns: rows are read, and the matrix is never changed. In the stored unit that sum is a mean,
for Ward's method too: there the stored number is

    m(A, B) = D^2(A, B) (|A| + |B|) / (2 |A| |B|)

which for points is the squared distance of the means of A and B, and for items of weights w

    m(A, B) = mean_AB - mean_AA / 2 - mean_BB / 2,   mean_AB = sum of w_i w_j m_ij / (|A| |B|).

All sums are in double precision, so no error grows from round to round; distances are rounded to
single precision at the end, so that they are the same from either side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from survey.distances.compiled import compiled
from survey.distances.lags import Array
from survey.linkage.lance_williams import AVERAGE, COMPLETE, FASTMATH, SINGLE, WARD
from survey.linkage.neighbour_lists import Neighbours, list_if_near, no_neighbours

Indices = npt.NDArray[np.int64]
ReadRows = Callable[[Indices], Array]
"""Returns the rows of the stored matrix with the given numbers."""


@dataclass(frozen=True)
class Grouping:
    """Which items make which cluster: all that a task knows of the others.

    Parameters
    ----------
    code : int
        See `Linkage.code`.
    cluster : (n,) array of int
        Cluster of every item, 0..m-1 in the order of the first item of each.
    weight : (n,) array
        Number of spaxels of every item.
    within : (m,) array
        Ward's only: sum of w_i w_j m_ij over all ordered pairs of items of a cluster.
    """

    code: int
    cluster: Indices
    weight: npt.NDArray[np.float64]
    within: npt.NDArray[np.float64]

    @cached_property
    def counts(self) -> npt.NDArray[np.float64]:
        """(m,) number of spaxels of every cluster."""
        return np.bincount(self.cluster, self.weight).astype(np.float64)

    @cached_property
    def half_mean(self) -> npt.NDArray[np.float64]:
        """(m,) mean_AA / 2 of every cluster; zero but for Ward's method."""
        return 0.5 * self.within / self.counts**2


@dataclass(frozen=True)
class RowJob:
    """Clusters whose rows one task computes.

    Parameters
    ----------
    clusters : (c,) array of int
        Increasing.
    rows : (r,) array of int
        Their items, cluster by cluster.
    ends : (c,) array of int
        Where the items of each end in `rows`.
    asked : (q,) array of int
        Clusters to which distances are asked for.
    asked_of : (q,) array of int
        From which of `clusters`, as a place there, increasing.
    """

    clusters: Indices
    rows: Indices
    ends: Indices
    asked: Indices
    asked_of: Indices


@dataclass(frozen=True)
class NearestFound:
    """What a task reports of the clusters of its job.

    Parameters
    ----------
    near : Neighbours
        The list of each; other clusters are named by their number.
    answers : (q,) array of float32
        The distances asked for.
    """

    near: Neighbours
    answers: Array


def nearest_clusters(
    grouping: Grouping, job: RowJob, read_rows: ReadRows, *, max_rows: int = 256
) -> NearestFound:
    """Find the neighbours of the clusters of a job, reading `max_rows` rows at a time."""
    found = no_neighbours(len(job.clusters), np.empty(0, np.float32))
    answers = np.empty(len(job.asked), np.float32)
    for place, stored in _new_rows(grouping, job, read_rows, max_rows):
        own = job.clusters[place]
        if grouping.code == WARD:
            stored = ward_distances(stored, grouping.counts[own], grouping.counts)
        distances = stored.astype(np.float32)
        _list_nearest(found, place, own, distances)
        asked = job.asked_of == place
        answers[asked] = distances[job.asked[asked]]
    return NearestFound(found, answers)


def merged_rows(
    grouping: Grouping, job: RowJob, read_rows: ReadRows, *, max_rows: int = 256
) -> npt.NDArray[np.float32]:
    """Rows (c, m) of the matrix of the present clusters, to be stored in place of the present one.

    Ward's are m(A, B), see above; zero on the diagonal.
    """
    rows = np.empty((len(job.clusters), len(grouping.counts)), np.float32)
    for place, stored in _new_rows(grouping, job, read_rows, max_rows):
        rows[place] = stored
        rows[place, job.clusters[place]] = 0.0
    return rows


@compiled(nogil=True)
def ward_distances(stored, n_own, n_others):  # type: ignore[no-untyped-def]
    """Ward's squared distances D^2 of one cluster from the stored m(A, B) to others."""
    distances = np.empty(len(stored))
    for k in range(len(stored)):
        distances[k] = 2.0 * stored[k] * (n_own * n_others[k] / (n_own + n_others[k]))
    return distances


def _new_rows(
    grouping: Grouping, job: RowJob, read_rows: ReadRows, max_rows: int
) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """For each cluster of a job its place, and its distances in the unit in which they are stored.

    The array is overwritten by the next.
    """
    code = grouping.code
    start_value = np.inf if code == SINGLE else 0.0
    summed = np.full(len(grouping.cluster), start_value)
    stored = np.empty(len(grouping.counts))
    place = 0
    for start in range(0, len(job.rows), max_rows):
        chunk = job.rows[start : start + max_rows]
        values = read_rows(chunk)
        weight = grouping.weight[chunk]
        at = 0
        while at < len(chunk):
            stop = min(int(job.ends[place]) - start, len(chunk))
            _add_rows(code, values[at:stop], weight[at:stop], summed)
            at = stop
            if start + at == job.ends[place]:
                stored[:] = start_value
                _add_columns(code, summed, grouping.cluster, grouping.weight, stored)
                if code in (WARD, AVERAGE):
                    own = job.clusters[place]
                    _to_means(stored, own, grouping.counts, grouping.half_mean)
                yield place, stored
                summed[:] = start_value
                place += 1


@compiled(nogil=True, fastmath=FASTMATH)
def _add_rows(code, values, weight, summed):  # type: ignore[no-untyped-def]
    for row in range(len(values)):
        if code == COMPLETE:
            for k in range(len(summed)):
                summed[k] = max(summed[k], values[row, k])
        elif code == SINGLE:
            for k in range(len(summed)):
                summed[k] = min(summed[k], values[row, k])
        else:
            for k in range(len(summed)):
                summed[k] += weight[row] * values[row, k]


@compiled(nogil=True, fastmath=FASTMATH)
def _add_columns(code, summed, cluster, weight, stored):  # type: ignore[no-untyped-def]
    for k in range(len(summed)):
        into = cluster[k]
        if code == COMPLETE:
            stored[into] = max(stored[into], summed[k])
        elif code == SINGLE:
            stored[into] = min(stored[into], summed[k])
        else:
            stored[into] += weight[k] * summed[k]


@compiled(nogil=True)
def _to_means(stored, own, counts, half_mean):  # type: ignore[no-untyped-def]
    for k in range(len(stored)):
        stored[k] = stored[k] / (counts[own] * counts[k]) - half_mean[own] - half_mean[k]


@compiled(nogil=True, fastmath=FASTMATH)
def _list_nearest(near, place, own, distances):  # type: ignore[no-untyped-def]
    for other in range(len(distances)):
        if other != own:
            list_if_near(near, place, other, distances[other])
