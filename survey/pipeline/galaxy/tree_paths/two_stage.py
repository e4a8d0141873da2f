"""Micro-clusters first, then their exact tree: for galaxies too large for any matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.pipeline.galaxy.costs import Budget, Needs
from survey.pipeline.galaxy.tree_paths.base import BuiltTree, TreeDistances, TreeInput, TreePath
from survey.spectra.blocks import Rows, blocks_of, row_blocks

if TYPE_CHECKING:
    from survey.cubes.scratch import Scratch
    from survey.linkage.two_stage import MicroSums

SCORE_BYTES = 1200  # coordinates of a spaxel
KEPT_SPAXEL_BYTES = 3400  # of a spaxel, while its distances are summed
SAMPLE_BYTES = 120_000  # of a plane, for the axes of these coordinates
LIBRARY_BYTES = 47 << 20  # scikit-learn, which only this path loads
MICRO_PAIR_BYTES = 40  # sums, distances and tree of a pair of micro-clusters
VOXEL_SCORE_S = 1e-7  # seconds on one core
MICRO_S = 1e-7  # per micro-cluster squared


def _needs(budget: Budget) -> Needs:
    work = budget.work
    sums = MICRO_PAIR_BYTES * work.micro_clusters**2
    scores = SCORE_BYTES * work.n_spaxel + SAMPLE_BYTES * work.n_plane
    kept = LIBRARY_BYTES + KEPT_SPAXEL_BYTES * work.n_spaxel
    strip = budget.strip_beside(kept + sums)
    return Needs(
        distances=max(
            kept + 8 * work.micro_clusters**2 + budget.rectangle(strip), LIBRARY_BYTES + scores
        ),
        tree=sums,
        tree_seconds=VOXEL_SCORE_S * work.n_voxel + MICRO_S * work.micro_clusters**2,
        strip=strip,
        scratch_bytes=4 * work.n_spaxel * work.n_plane,
    )


def _distances(given: TreeInput) -> TreeDistances:
    from survey.clustering.pair_sums import random_sample
    from survey.linkage.pca import SAMPLE_SIZE, spectral_basis
    from survey.linkage.two_stage import MicroSums, micro_clusters
    from survey.pipeline.galaxy.tree import SEED
    from survey.pipeline.galaxy.tree_paths.strip_tasks import BlockWork, sum_blocks

    sample = given.spectra[random_sample(len(given.energy), SAMPLE_SIZE, SEED)]
    basis = spectral_basis(sample)
    scores = np.concatenate([basis.scores(block) for block in blocks_of(given.spectra)])
    n_micro = given.settings.linkage.micro_clusters
    labels = micro_clusters(scores, n_micro, seed=SEED, threads=given.threads)
    # Side by side, the spaxels of a micro-cluster are in one strip, and sums stay small.
    order = np.argsort(labels, kind="stable")
    work = given.strip_work(_reordered(given.spectra, order, given.scratch), given.energy[order])
    sums = MicroSums(labels)
    at_limit = sum_blocks(BlockWork(work, labels[order], given.linkage), sums, given.scratch.path)
    return TreeDistances(sums, work.distances.engine, "float32", at_limit)


def _tree(given: TreeInput, sums: MicroSums) -> BuiltTree:
    return BuiltTree(sums.tree(given.linkage))


def _reordered(spectra: Rows, order: NDArray[np.intp], scratch: Scratch) -> Rows:
    if isinstance(spectra, np.ndarray):
        return spectra[order]
    table = scratch.allocate("spectra in order", spectra.shape, spectra.dtype)
    for rows in row_blocks(spectra.shape):
        table[rows] = spectra[order[rows]]
    return table


TWO_STAGE = TreePath(
    name="two-stage",
    exact=False,
    how="from `linkage.micro_clusters` micro-clusters, exact from there on",
    memory="some 100 MB",
    disk="spectra",
    needs=_needs,
    distances=_distances,
    tree=_tree,
    methods=("ward", "average"),
)
