"""Rounds of merging on a matrix on disk, whose rows all workers read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.cubes.scratch import FileRows, Scratch
from survey.distances.strips import StripPair, write_rectangle
from survey.engine.tiles import RunTiles, tile_runner
from survey.linkage.dendrogram import Tree
from survey.linkage.reciprocal import (
    Grouping,
    NearestFound,
    RowJob,
    merged_rows,
    nearest_clusters,
)
from survey.linkage.reciprocal_rounds import Rounds

JOBS_AT_LEAST = 16
"""A large round has at least so many jobs, so that all workers have some."""


@dataclass(frozen=True)
class RowWork:
    """What all jobs of a round have in common; `max_rows` of the matrix are read at a time."""

    grouping: Grouping
    matrix: FileRows
    max_rows: int


def merge_on_disk(
    rounds: Rounds, matrix: FileRows, scratch: Scratch, *, fits: int, memory_bytes: int
) -> FileRows:
    """Merge until so many clusters are left as fit into memory.

    Parameters
    ----------
    rounds : Rounds
        Changed in place.
    matrix : FileRows
        The square matrix that they begin with; gives way to smaller ones.
    scratch : Scratch
    fits : int
    memory_bytes : int
        For the rows that are read at a time.

    Returns
    -------
    FileRows
        The matrix that they end with.
    """
    with tile_runner(scratch.path) as run:
        while rounds.n_clusters > fits:
            work = _work(rounds, matrix, memory_bytes)
            _one_round(rounds, work, run)
            if rounds.has_shrunk and rounds.n_clusters > fits:
                smaller = _rewritten(rounds, matrix, scratch, run, memory_bytes)
                matrix.path.unlink()
                matrix = smaller
    return matrix


def merge_the_rest(rounds: Rounds, matrix: FileRows, memory_bytes: int) -> Tree:
    """Merge what is left in memory; the tree of all."""
    left = rounds.n_clusters
    condensed = np.empty(left * (left - 1) // 2, np.float32)
    work = _work(rounds, matrix, memory_bytes)
    for job in rounds.rewrite_jobs(work.max_rows):
        write_rectangle(condensed, left, _rows_of(job, left), _merged(work, job))
    return rounds.finish(condensed)


def _one_round(rounds: Rounds, work: RowWork, run: RunTiles) -> None:
    n_rows = work.matrix.shape[0]
    jobs = rounds.jobs(max(work.max_rows, n_rows // (4 * JOBS_AT_LEAST)))
    found: dict[int, NearestFound] = {}
    run(_nearest, work, list(enumerate(jobs)), lambda result: found.update([result]))
    rounds.merge(jobs, [found[number] for number in range(len(jobs))])


def _rewritten(
    rounds: Rounds, matrix: FileRows, scratch: Scratch, run: RunTiles, memory_bytes: int
) -> FileRows:
    left, work = rounds.n_clusters, _work(rounds, matrix, memory_bytes)
    smaller = scratch.table(f"matrix of {left}", (left, left), np.float32)
    run(_write_merged, (work, smaller), rounds.rewrite_jobs(work.max_rows))
    rounds.rewritten()
    return smaller


def _work(rounds: Rounds, matrix: FileRows, memory_bytes: int) -> RowWork:
    # As much again is needed for what is made of the rows.
    max_rows = max(1, memory_bytes // (2 * 4 * matrix.shape[1]))
    return RowWork(rounds.grouping(), matrix, max_rows)


def _nearest(work: RowWork, numbered: tuple[int, RowJob]) -> tuple[int, NearestFound]:
    number, job = numbered
    return number, nearest_clusters(
        work.grouping, job, work.matrix.__getitem__, max_rows=work.max_rows
    )


def _write_merged(works: tuple[RowWork, FileRows], job: RowJob) -> None:
    work, smaller = works
    smaller[int(job.clusters[0]) : int(job.clusters[-1]) + 1] = _merged(work, job)


def _merged(work: RowWork, job: RowJob) -> NDArray[np.float32]:
    return merged_rows(work.grouping, job, work.matrix.__getitem__, max_rows=work.max_rows)


def _rows_of(job: RowJob, size: int) -> StripPair:
    return StripPair(slice(int(job.clusters[0]), int(job.clusters[-1]) + 1), slice(0, size))
