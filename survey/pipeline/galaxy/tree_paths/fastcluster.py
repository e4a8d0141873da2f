"""The whole matrix in memory, merged by fastcluster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.pipeline.galaxy.costs import Budget, Needs
from survey.pipeline.galaxy.tree_paths.base import BuiltTree, TreeDistances, TreeInput, TreePath

EXACT_CUT_SPAXELS = 10_000
"""Up to this many spaxels the matrix is kept; with more, cuts are compared on a sample."""

FASTCLUSTER_S = 2e-8
"""Seconds on one core per spaxel squared."""


def _needs(budget: Budget) -> Needs:
    work = budget.work
    matrix = work.n_pair * work.itemsize
    spectra = work.n_spaxel * work.n_plane * 4 if budget.streamed else 0
    kept = matrix if work.n_spaxel <= EXACT_CUT_SPAXELS else 0
    return Needs(
        distances=matrix + spectra + work.stored_values * work.itemsize,
        tree=matrix + kept + 8 * work.n_pair,
        tree_seconds=FASTCLUSTER_S * work.n_spaxel**2,
    )


def _distances(given: TreeInput) -> TreeDistances:
    from survey.distances.distances import shifted_distances

    settings = given.settings.distance
    found = shifted_distances(
        given.spectra[:],
        given.max_shift,
        engine=settings.engine,
        dtype=settings.dtype,
        threads=given.threads,
        device=given.settings.engine.device,
    )
    return TreeDistances(found.condensed, found.engine, found.dtype, found.at_limit_fraction)


def _tree(given: TreeInput, condensed: NDArray[np.floating]) -> BuiltTree:
    from survey.pipeline.galaxy.tree import clustered_distances, relink

    kept = len(given.energy) <= EXACT_CUT_SPAXELS
    tree = relink(
        clustered_distances(condensed, given.energy, given.settings, keep=kept), given.settings
    )
    return BuiltTree(tree, condensed if kept else None)


FASTCLUSTER = TreePath(
    name="fastcluster",
    exact=True,
    how="exact, fastcluster on a float64 matrix",
    memory="4 to 8 n² bytes",
    disk="-",
    needs=_needs,
    distances=_distances,
    tree=_tree,
)
