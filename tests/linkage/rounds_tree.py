"""Rounds of merging on a stored matrix in one process, as the pipeline does on many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from survey.distances.strips import StripPair, write_rectangle
from survey.linkage.dendrogram import Tree
from survey.linkage.lance_williams import Linkage
from survey.linkage.reciprocal import ReadRows, merged_rows, nearest_clusters
from survey.linkage.reciprocal_rounds import Rounds


class Store(Protocol):
    """A matrix that rows can be written to, in any order, and then read from."""

    def write(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Write consecutive rows."""

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read any rows."""


def rounds_tree(
    size: int,
    linkage: Linkage,
    read_rows: ReadRows,
    new_store: Callable[[int], Store],
    *,
    fits: int,
    max_rows: int = 256,
) -> Tree:
    """Tree (n - 1, 4) from a stored matrix, in this process.

    Parameters
    ----------
    size : int
        Number of spaxels n.
    linkage : Linkage
    read_rows : callable
        Reads rows of the stored matrix (n, n), float32, in the unit of `Linkage.feed`.
    new_store : callable
        Makes room for a matrix of as many rows as it is told.
    fits : int
        Number of clusters of which the condensed matrix fits into memory.
    max_rows : int
        Rows to be read at a time.
    """
    rounds = Rounds(size, linkage)
    while rounds.n_clusters > fits:
        grouping, jobs = rounds.grouping(), rounds.jobs(max_rows)
        found = [nearest_clusters(grouping, job, read_rows, max_rows=max_rows) for job in jobs]
        rounds.merge(jobs, found)
        if rounds.has_shrunk and rounds.n_clusters > fits:
            store, grouping = new_store(rounds.n_clusters), rounds.grouping()
            for job in rounds.rewrite_jobs(max_rows):
                rows = merged_rows(grouping, job, read_rows, max_rows=max_rows)
                store.write(job.clusters, rows)
            rounds.rewritten()
            read_rows = store.read
    left, grouping = rounds.n_clusters, rounds.grouping()
    condensed = np.empty(left * (left - 1) // 2, np.float32)
    for job in rounds.rewrite_jobs(max_rows):
        rows = merged_rows(grouping, job, read_rows, max_rows=max_rows)
        pair = StripPair(slice(job.clusters[0], job.clusters[-1] + 1), slice(0, left))
        write_rectangle(condensed, left, pair, rows)
    return rounds.finish(condensed)
