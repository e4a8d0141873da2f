"""The tree of one galaxy, made in the way its size and the worker's memory allow.

Which way that is has been decided by `survey.pipeline.galaxy.paths`; here every path is one
function. All
but "two-stage" give the same partitions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.clustering.pair_sums import CondensedPairs, Pairs, SampledPairs, random_sample
from survey.config import Settings
from survey.cubes.scratch import Scratch
from survey.distances.distances import shifted_distances
from survey.distances.noise import noise_energy, without_noise
from survey.linkage.fastcluster import linkage_tree
from survey.linkage.lance_williams import Linkage
from survey.linkage.nn_chain import chain_tree
from survey.linkage.pca import SAMPLE_SIZE, spectral_basis
from survey.linkage.reciprocal_rounds import Rounds
from survey.linkage.two_stage import MicroSums, micro_clusters
from survey.pipeline.galaxy.costs import EXACT_CUT_SPAXELS, ROUNDS_BYTES, LinkagePath, Projection
from survey.pipeline.galaxy.round_tasks import merge_on_disk, merge_the_rest
from survey.pipeline.galaxy.strip_tasks import (
    BlockWork,
    SquareWork,
    StripWork,
    fill_condensed,
    fill_square,
    is_spread,
    load_condensed,
    spread_strip,
    sum_blocks,
)
from survey.pipeline.galaxy.timing import Stopwatch
from survey.spectra.blocks import Rows, blocks_of, row_blocks
from survey.spectra.prepare import Prepared

SAMPLE_SPAXELS = 4000
"""Spaxels on which the cut of a tree is judged where the matrix of all is not kept."""

SEED = 20_261_120
"""Of all that is drawn at random here: a galaxy has one result."""


@dataclass(frozen=True)
class Linked:
    """A tree, and the distances by which it will be cut.

    Parameters
    ----------
    tree : (n - 1, 4) array
    energy : (n,) array
        Noise energy of what was compared.
    condensed : (m (m - 1) / 2,) array
        Squared distances, noise included, of the spaxels `items`.
    items : (m,) array of int, or None
        The spaxels on which the cut is judged; None for all.
    """

    tree: NDArray[np.float64]
    energy: NDArray[np.float64]
    condensed: NDArray[np.floating]
    items: NDArray[np.intp] | None

    def save(self, folder: Path) -> None:
        """Write it into a part."""
        np.save(folder / "tree.npy", self.tree)
        np.save(folder / "noise_energy.npy", self.energy)
        np.save(folder / "condensed.npy", self.condensed)
        if self.items is not None:
            np.save(folder / "items.npy", self.items)

    @classmethod
    def load(cls, folder: Path) -> Linked:
        """Read what `save` has written, the distances as far as they are looked at."""
        items = folder / "items.npy"
        return cls(
            tree=np.load(folder / "tree.npy"),
            energy=np.load(folder / "noise_energy.npy"),
            condensed=np.load(folder / "condensed.npy", mmap_mode="r"),
            items=np.load(items) if items.exists() else None,
        )

    def compared(self, settings: Settings) -> Pairs:
        """The distances that were clustered, as far as they are known."""
        if self.items is None:
            return CondensedPairs(compared(self.condensed, self.energy, settings))
        energy = self.energy[self.items]
        return SampledPairs(self.items, compared(self.condensed, energy, settings))


def compared(
    condensed: NDArray[np.floating],
    energy: NDArray[np.float64],
    settings: Settings,
    *,
    keep: bool = True,
) -> NDArray[np.floating]:
    """The distances that are clustered: less noise, if the settings say so.

    They take the place of those given if these need not be kept.
    """
    if settings.distance.noise == "subtract":
        return without_noise(condensed, energy, out=None if keep else condensed)
    return condensed


def relink(condensed: NDArray[np.floating], settings: Settings) -> NDArray[np.float64]:
    """The tree of a few spaxels, by the linkage of the settings."""
    linkage = settings.linkage
    return linkage_tree(condensed, linkage.method, ward_input=linkage.ward_input)


@dataclass(frozen=True)
class Job:
    """What a path is given.

    `clock` is told what is under way: "distances" or "linkage".
    """

    spectra: Rows
    max_shift: int
    energy: NDArray[np.float64]
    settings: Settings
    projection: Projection
    scratch: Scratch
    clock: Stopwatch

    @property
    def threads(self) -> int:
        """Threads that this process may use."""
        return self.settings.engine.threads_per_worker

    @property
    def linkage(self) -> Linkage:
        """The linkage of the settings."""
        return Linkage(self.settings.linkage.method, self.settings.linkage.ward_input)

    @property
    def is_spread(self) -> bool:
        """Whether other workers are asked for help with the distances."""
        return is_spread(self.projection.work.distance_seconds)

    def strip_work(self, spectra: Rows, energy: NDArray[np.float64]) -> StripWork:
        """The distances of some spectra with so much noise energy, strip by strip."""
        subtract = self.settings.distance.noise == "subtract"
        strip = self.projection.strip
        return StripWork.of(
            spectra,
            spread_strip(strip, len(energy)) if self.is_spread else strip,
            self.max_shift,
            energy=energy if subtract else None,
            engine=self.settings.distance.engine,
            threads=1 if self.is_spread else self.threads,
        )


@dataclass(frozen=True)
class Made:
    """What a path gives back: a tree, how, and all distances if they are to be kept."""

    tree: NDArray[np.float64]
    engine: str
    dtype: str
    at_limit_fraction: float | None = None
    condensed: NDArray[np.floating] | None = None


def link(
    prepared: Prepared,
    settings: Settings,
    projection: Projection,
    scratch: Scratch,
    clock: Stopwatch,
) -> tuple[Linked, dict[str, Any]]:
    """Make the tree of a galaxy by the path that was projected.

    Returns
    -------
    Linked
    dict
        Facts about how it was made, for the catalog.
    """
    spectra, max_shift = prepared.spectra, prepared.max_shift
    with clock("linkage"):
        energy = noise_energy(spectra)
    job = Job(spectra, max_shift, energy, settings, projection, scratch, clock)
    made = PATHS[projection.path](job)
    items, condensed, at_limit = None, made.condensed, made.at_limit_fraction
    if condensed is None:
        with clock("distances"):
            items = random_sample(len(energy), SAMPLE_SPAXELS, SEED)
            among = shifted_distances(spectra[items], max_shift, threads=job.threads)
        condensed = among.condensed
        at_limit = among.at_limit_fraction if at_limit is None else at_limit
    facts = {
        "engine": made.engine,
        "dtype": made.dtype,
        "at_limit_fraction": at_limit,
        "path": projection.path,
        "projected_peak_bytes": projection.peak_bytes,
    }
    return Linked(made.tree, energy, condensed, items), facts


def _fastcluster(job: Job) -> Made:
    settings = job.settings.distance
    with job.clock("distances"):
        distances = shifted_distances(
            job.spectra[:],
            job.max_shift,
            engine=settings.engine,
            dtype=settings.dtype,
            threads=job.threads,
            device=job.settings.engine.device,
        )
    kept = len(job.energy) <= EXACT_CUT_SPAXELS
    with job.clock("linkage"):
        tree = relink(
            compared(distances.condensed, job.energy, job.settings, keep=kept), job.settings
        )
    return Made(
        tree,
        distances.engine,
        distances.dtype,
        distances.at_limit_fraction,
        distances.condensed if kept else None,
    )


def _chain(job: Job) -> Made:
    n = len(job.energy)
    work = job.strip_work(job.spectra, job.energy)
    with job.clock("distances"):
        if job.is_spread:
            matrix = job.scratch.table("matrix", (n, n), np.float32, panel=work.strip, filled=0.5)
            square = SquareWork(work, matrix)
            at_limit = fill_square(square)
            condensed = np.empty(n * (n - 1) // 2, np.float32)
            load_condensed(square, condensed)
            matrix.path.unlink()
        else:
            condensed = np.empty(n * (n - 1) // 2, np.float32)
            at_limit = fill_condensed(work, condensed)
    with job.clock("linkage"):
        tree = chain_tree(condensed, job.linkage)
    return Made(tree, work.distances.engine, "float32", at_limit)


def _rounds(job: Job) -> Made:
    n = len(job.energy)
    work = job.strip_work(job.spectra, job.energy)
    with job.clock("distances"):
        matrix = job.scratch.table("matrix", (n, n), np.float32, panel=work.strip)
        at_limit = fill_square(SquareWork(work, matrix, job.linkage))
    with job.clock("linkage"):
        rounds, fits = Rounds(n, job.linkage), job.projection.in_memory_clusters
        matrix = merge_on_disk(rounds, matrix, job.scratch, fits=fits, memory_bytes=ROUNDS_BYTES)
        tree = merge_the_rest(rounds, matrix, ROUNDS_BYTES)
    return Made(tree, work.distances.engine, "float32", at_limit)


def _two_stage(job: Job) -> Made:
    with job.clock("linkage"):
        sample = job.spectra[random_sample(len(job.energy), SAMPLE_SIZE, SEED)]
        basis = spectral_basis(sample)
        scores = np.concatenate([basis.scores(block) for block in blocks_of(job.spectra)])
        n_micro = job.settings.linkage.micro_clusters
        labels = micro_clusters(scores, n_micro, seed=SEED, threads=job.threads)
        # Side by side, the spaxels of a micro-cluster are in one strip, and sums stay small.
        order = np.argsort(labels, kind="stable")
        spectra = _reordered(job.spectra, order, job.scratch)
        sums = MicroSums(labels)
    work = job.strip_work(spectra, job.energy[order])
    with job.clock("distances"):
        at_limit = sum_blocks(BlockWork(work, labels[order], job.linkage), sums, job.scratch.path)
    with job.clock("linkage"):
        tree = sums.tree(job.linkage)
    return Made(tree, work.distances.engine, "float32", at_limit)


PATHS: dict[LinkagePath, Callable[[Job], Made]] = {
    "fastcluster": _fastcluster,
    "chain": _chain,
    "rounds": _rounds,
    "two-stage": _two_stage,
}
"""How a tree is made, by the name of the path."""


def _reordered(spectra: Rows, order: NDArray[np.intp], scratch: Scratch) -> Rows:
    if isinstance(spectra, np.ndarray):
        return spectra[order]
    table = scratch.allocate("spectra in order", spectra.shape, spectra.dtype)
    for rows in row_blocks(spectra.shape):
        table[rows] = spectra[order[rows]]
    return table
