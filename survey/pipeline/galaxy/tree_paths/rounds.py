"""The matrix on disk, merged in rounds of reciprocal nearest neighbours until it fits memory."""

from __future__ import annotations

from math import inf, isqrt, log2
from typing import TYPE_CHECKING

import numpy as np

from survey.pipeline.galaxy.costs import Budget, Needs
from survey.pipeline.galaxy.tree_paths.base import BuiltTree, TreeDistances, TreeInput, TreePath
from survey.pipeline.galaxy.tree_paths.chain import CHAIN_S

if TYPE_CHECKING:
    from survey.cubes.scratch import FileRows

ROUNDS_BYTES = 256 << 20
"""Rows of the matrix that are read at a time, and at most as many new rows."""

ROUNDS_IN_MEMORY = 30_000
"""Clusters that are left to a chain in memory if memory is not limited."""

ROUNDS_S = 3e-8
"""Seconds on one core per spaxel squared, for every halving of the clusters."""


def _needs(budget: Budget) -> Needs:
    n = budget.work.n_spaxel
    room = budget.room_beside(ROUNDS_BYTES)
    most = ROUNDS_IN_MEMORY if room == inf else isqrt(max(0, int(room)) // 2)
    left = min(most, n // 2)
    strip = budget.strip_beside(0)
    return Needs(
        distances=budget.rectangle(strip),
        tree=ROUNDS_BYTES // 2 + 2 * left**2,
        tree_seconds=ROUNDS_S * n**2 * log2(n / max(1, left)) + CHAIN_S * left**2,
        strip=strip,
        in_memory_clusters=left,
        scratch_bytes=6 * n**2,
    )


def _distances(given: TreeInput) -> TreeDistances:
    from survey.pipeline.galaxy.tree_paths.strip_tasks import SquareWork, fill_square

    n = len(given.energy)
    work = given.strip_work(given.spectra, given.energy)
    matrix = given.scratch.table("matrix", (n, n), np.float32, panel=work.strip)
    at_limit = fill_square(SquareWork(work, matrix, given.linkage))
    return TreeDistances(matrix, work.distances.engine, "float32", at_limit)


def _tree(given: TreeInput, matrix: FileRows) -> BuiltTree:
    from survey.linkage.reciprocal_rounds import Rounds
    from survey.pipeline.galaxy.tree_paths.round_tasks import merge_on_disk, merge_the_rest

    rounds = Rounds(len(given.energy), given.linkage)
    fits = given.projection.in_memory_clusters
    left = merge_on_disk(rounds, matrix, given.scratch, fits=fits, memory_bytes=ROUNDS_BYTES)
    return BuiltTree(merge_the_rest(rounds, left, ROUNDS_BYTES))


ROUNDS = TreePath(
    name="rounds",
    exact=True,
    how="exact, rounds of reciprocal nearest neighbours on disk, then a chain",
    memory="whatever is available",
    disk="4 to 6 n²",
    needs=_needs,
    distances=_distances,
    tree=_tree,
)
