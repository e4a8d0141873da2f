"""Distances of a large galaxy, strip against strip: what a worker does for two strips.

The spectra are rows in a file that all workers can read. The result of a rectangle of distances
is small (sums) or goes to its own place in a file, so that workers never wait for one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.cubes.scratch import FileRows
from survey.distances.distances import EngineName
from survey.distances.strips import (
    MIN_STRIP,
    Rectangle,
    StripDistances,
    StripPair,
    mean_spectrum,
    strip_pairs,
    subtract_noise,
    write_rectangle,
)
from survey.engine.tiles import n_slots, tile_runner
from survey.linkage.lance_williams import Linkage
from survey.linkage.two_stage import BlockSums, MicroSums, block_sums
from survey.spectra.blocks import Rows, blocks_of

WORTH_SPREADING_S = 30.0
"""Projected time of all distances above which other workers are asked for help."""

PAIRS_PER_SLOT = 5
"""Pairs of strips for every slot of the cluster, so that all are busy to the end."""


@dataclass(frozen=True)
class StripWork:
    """What all pairs of strips of a galaxy have in common.

    Parameters
    ----------
    spectra : (n, L) table
        In a file, if the work is to be spread.
    strip : int
        Spectra in a strip.
    max_shift : int
    mean : (L,) array
        Mean spectrum.
    energy : (n,) array or None
        Noise energy to be taken off; None to keep it.
    engine : str
    threads : int
    """

    spectra: Rows
    strip: int
    max_shift: int
    mean: NDArray[np.float64]
    energy: NDArray[np.float64] | None
    engine: EngineName | Any
    threads: int

    @classmethod
    def of(cls, spectra: Rows, strip: int, max_shift: int, **others: Any) -> StripWork:
        """The work on some spectra, whose mean is taken here."""
        return cls(spectra, strip, max_shift, mean_spectrum(blocks_of(spectra)), **others)

    @property
    def pairs(self) -> list[StripPair]:
        """All pairs of strips, the most expensive first."""
        return strip_pairs(self.spectra.shape[0], self.strip)

    @property
    def distances(self) -> StripDistances:
        """What computes a rectangle."""
        return StripDistances(self.mean, self.max_shift, engine=self.engine, threads=self.threads)

    def rectangle(self, pair: StripPair) -> Rectangle:
        """Squared distances between two strips, less noise."""
        left = self.spectra[pair.first]
        right = None if pair.is_diagonal else self.spectra[pair.second]
        rectangle = self.distances.rectangle(left, right)
        if self.energy is not None:
            energy = None if pair.is_diagonal else self.energy[pair.second]
            subtract_noise(rectangle.values, self.energy[pair.first], energy)
        return rectangle


class AtLimit:
    """Counts the pairs whose best shift is the largest allowed, as rectangles come in."""

    def __init__(self) -> None:
        self._n_at_limit = self._n_pair = 0

    def __call__(self, counts: tuple[int, int]) -> None:
        """Add the counts of one rectangle."""
        self._n_at_limit += counts[0]
        self._n_pair += counts[1]

    @property
    def fraction(self) -> float:
        """Of all pairs."""
        return self._n_at_limit / self._n_pair


def is_spread(seconds: float) -> bool:
    """Whether work that takes so long on one core is spread over a cluster."""
    return seconds > WORTH_SPREADING_S and n_slots() > 1


def spread_strip(strip: int, n_spaxel: int) -> int:
    """Length of strips, at most `strip`, of which there are some pairs for every worker."""
    n_strip = ceil(sqrt(2 * PAIRS_PER_SLOT * n_slots()))
    return min(strip, max(MIN_STRIP, ceil(n_spaxel / n_strip)))


def fill_condensed(work: StripWork, condensed: NDArray[np.float32]) -> float:
    """Compute all distances here, into a condensed matrix; returns the fraction at the limit."""
    at_limit = AtLimit()
    for pair in work.pairs:
        rectangle = work.rectangle(pair)
        write_rectangle(condensed, work.spectra.shape[0], pair, rectangle.values)
        at_limit((rectangle.n_at_limit, rectangle.n_pairs))
    return at_limit.fraction


@dataclass(frozen=True)
class SquareWork:
    """Distances that go to a file: a square matrix whose panels are as wide as a strip.

    With a linkage both halves are written, as that linkage wants to be fed, so that rows can be
    read; without one only what is right of the diagonal.
    """

    work: StripWork
    matrix: FileRows
    linkage: Linkage | None = None


def fill_square(square: SquareWork) -> float:
    """Compute all distances on all workers, into a file; returns the fraction at the limit."""
    at_limit = AtLimit()
    with tile_runner(square.matrix.path.parent) as run:
        run(_store_rectangle, square, square.work.pairs, at_limit)
    return at_limit.fraction


def load_condensed(square: SquareWork, condensed: NDArray[np.float32]) -> None:
    """Read a condensed matrix from what `fill_square` has written."""
    for pair in square.work.pairs:
        values = square.matrix[pair.first, pair.second]
        write_rectangle(condensed, square.matrix.shape[0], pair, values)


def _store_rectangle(square: SquareWork, pair: StripPair) -> tuple[int, int]:
    rectangle = square.work.rectangle(pair)
    values = rectangle.values
    if square.linkage is not None:
        square.linkage.feed(values)
        if not pair.is_diagonal:
            square.matrix[pair.second, pair.first] = values.T
    square.matrix[pair.first, pair.second] = values
    return rectangle.n_at_limit, rectangle.n_pairs


@dataclass(frozen=True)
class BlockWork:
    """Distances that are summed over pairs of micro-clusters, `labels` (n,), and forgotten."""

    work: StripWork
    labels: NDArray[np.int32]
    linkage: Linkage


def sum_blocks(blocks: BlockWork, sums: MicroSums, folder: Path) -> float:
    """Sum all distances on all workers; returns the fraction at the limit.

    `folder` is one that all workers see, if the spectra are in a file.
    """
    at_limit = AtLimit()

    def collect(result: tuple[BlockSums, tuple[int, int]]) -> None:
        sums.add(result[0])
        at_limit(result[1])

    with tile_runner(folder) as run:
        run(_sum_rectangle, blocks, blocks.work.pairs, collect)
    return at_limit.fraction


def _sum_rectangle(blocks: BlockWork, pair: StripPair) -> tuple[BlockSums, tuple[int, int]]:
    rectangle = blocks.work.rectangle(pair)
    left, right = blocks.labels[pair.first], blocks.labels[pair.second]
    values = blocks.linkage.feed(rectangle.values)
    sums = block_sums(values, left, None if pair.is_diagonal else right)
    return sums, (rectangle.n_at_limit, rectangle.n_pairs)
