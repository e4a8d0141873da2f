"""The whole matrix in memory in single precision, merged by a nearest-neighbour chain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.pipeline.galaxy.costs import Budget, Needs
from survey.pipeline.galaxy.tree_paths.base import BuiltTree, TreeDistances, TreeInput, TreePath

CHAIN_S = 1.5e-8
"""Seconds on one core per spaxel squared."""


def _needs(budget: Budget) -> Needs:
    matrix = 4 * budget.work.n_pair
    strip = budget.strip_beside(matrix)
    return Needs(
        distances=matrix + budget.rectangle(strip),
        tree=matrix,
        tree_seconds=CHAIN_S * budget.work.n_spaxel**2,
        strip=strip,
        scratch_bytes=matrix,
    )


def _distances(given: TreeInput) -> TreeDistances:
    from survey.pipeline.galaxy.tree_paths.strip_tasks import (
        SquareWork,
        fill_condensed,
        fill_square,
        load_condensed,
    )

    n = len(given.energy)
    work = given.strip_work(given.spectra, given.energy)
    condensed = np.empty(n * (n - 1) // 2, np.float32)
    if given.is_spread:
        matrix = given.scratch.table("matrix", (n, n), np.float32, panel=work.strip, filled=0.5)
        square = SquareWork(work, matrix)
        at_limit = fill_square(square)
        load_condensed(square, condensed)
        matrix.path.unlink()
    else:
        at_limit = fill_condensed(work, condensed)
    return TreeDistances(condensed, work.distances.engine, "float32", at_limit)


def _tree(given: TreeInput, condensed: NDArray[np.float32]) -> BuiltTree:
    from survey.linkage.nn_chain import chain_tree

    return BuiltTree(chain_tree(condensed, given.linkage))


CHAIN = TreePath(
    name="chain",
    exact=True,
    how="exact, nearest-neighbour chain in float32",
    memory="2 n² bytes",
    disk="2 n² if several workers help",
    needs=_needs,
    distances=_distances,
    tree=_tree,
)
