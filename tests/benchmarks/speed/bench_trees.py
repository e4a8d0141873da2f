"""Trees of large galaxies: the chain and the rounds against fastcluster, in time and memory.

Spectra are those of an image of smoothly mixed regions that rotates, with noise that differs from
spaxel to spaxel, as that makes some of them the nearest neighbours of very many. All is timed on
one core, in seconds of the processor.

    python -m tests.benchmarks.speed.bench_trees [--side 100] [--without-fastcluster]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from survey.clustering.criteria import partition
from survey.distances.distances import shifted_distances
from survey.distances.strips import StripDistances, mean_spectrum, strip_pairs
from survey.linkage.dendrogram import Tree
from survey.linkage.fastcluster import linkage_tree
from survey.linkage.lance_williams import Linkage
from survey.linkage.nn_chain import chain_tree
from survey.pipeline.galaxy.peak_memory import peak_memory_bytes, reset_peak_memory
from tests.benchmarks.table import Line, print_table
from tests.linkage.rounds_tree import rounds_tree

METHODS = ("ward", "average", "complete")
MAX_SHIFT = 6
N_SAMPLES = 200
MUSE = 90_000


T = TypeVar("T")


class Store:
    """A matrix in memory that counts the rows read from it, in units of a whole matrix."""

    read_in_all = 0.0

    def __init__(self, size: int) -> None:
        self.values = np.empty((size, size), np.float32)

    def write(self, rows: np.ndarray, values: np.ndarray) -> None:
        self.values[rows] = values

    def read(self, rows: np.ndarray) -> np.ndarray:
        Store.read_in_all += self.values[0].size * len(rows)
        return self.values[rows]


def image_spectra(side: int, n_regions: int = 12, snr: float = 10.0) -> np.ndarray:
    """Spectra (side^2, L) of mixed regions, displaced by a velocity field, normalised."""
    rng = np.random.default_rng(0)
    y, x = (axis.ravel() / side for axis in np.mgrid[:side, :side])
    sample = np.arange(N_SAMPLES)
    centres = rng.uniform(size=(n_regions, 2))
    distance = np.square(y[:, None] - centres[:, 0]) + np.square(x[:, None] - centres[:, 1])
    share = np.exp((distance.min(axis=1, keepdims=True) - distance) / 0.004)
    share /= share.sum(axis=1, keepdims=True)
    shapes = 1.0 + rng.normal(0, 0.5, (n_regions, 1)) * (sample / N_SAMPLES - 0.5)
    for _ in range(8):
        line = np.exp(-0.5 * ((sample - rng.uniform(10, 190)) / rng.uniform(1.5, 8)) ** 2)
        shapes += rng.lognormal(-1, 1, (n_regions, 1)) * line
    spectra = share @ shapes
    displacement = np.round(5 * np.sin(3 * x + 2 * y)).astype(int)
    for shift in np.unique(displacement):
        moved = displacement == shift
        spectra[moved] = np.roll(spectra[moved], shift, axis=1)
    spectra /= spectra.mean(axis=1, keepdims=True)
    noise = np.exp(rng.normal(0, 0.3, (len(spectra), 1))) / snr
    return (spectra + noise * rng.normal(size=spectra.shape)).astype(np.float32)


def measure(side: int, with_fastcluster: bool) -> Iterator[Line]:
    """All lines of the table."""
    chain_tree(np.ones(3, np.float32), Linkage("ward"))  # compiles
    spectra = image_spectra(side)
    size = len(spectra)
    whole_s, condensed = timed(lambda: _whole(spectra))
    strips_s, _ = timed(lambda: _by_strips(spectra))
    yield Line(f"distances of {size}: strips of 2,048 / all at once", strips_s / whole_s, 1.2,
               detail=f"({strips_s:.1f} s / {whole_s:.1f} s)")  # fmt: skip
    for method in METHODS:
        yield from against_fastcluster(condensed, size, method, with_fastcluster)
    yield from rounds_on(condensed, size)


def against_fastcluster(
    condensed: np.ndarray, size: int, method: str, with_fastcluster: bool
) -> Iterator[Line]:
    """Time, memory and result of the chain."""
    matrix = condensed.copy()
    before = _reset()
    chain_s, tree = timed(lambda: chain_tree(matrix, Linkage(method)))
    extra = peak_memory_bytes() - before
    per_pair_s = chain_s / len(condensed)
    at_muse = per_pair_s * MUSE * (MUSE - 1) / 2
    speed = f"({1e9 * per_pair_s:.0f} ns a pair; {at_muse:.0f} s for {MUSE})"
    beyond = extra / condensed.nbytes
    yield Line(f"chain, {method}: memory beyond the matrix / matrix", beyond, 0.2, detail=speed)
    if not with_fastcluster:
        return
    fast_s, expected = timed(lambda: linkage_tree(condensed, method))
    yield Line(f"chain, {method}: time / fastcluster", chain_s / fast_s, 1.0,
               detail=f"({chain_s:.1f} s / {fast_s:.1f} s)")  # fmt: skip
    yield from same(tree, expected, f"chain, {method}")


def rounds_on(condensed: np.ndarray, size: int) -> Iterator[Line]:
    """Ward's tree by rounds until a tenth is left, against the chain."""
    store = Store(size)
    store.values[...] = squareform(condensed)
    spent_s, tree = timed(
        lambda: rounds_tree(size, Linkage("ward"), store.read, Store, fits=size // 10)
    )
    passes = Store.read_in_all / size**2
    yield Line("rounds, ward, until a tenth is left: rows read / rows", passes, 12,
               detail=f"({spent_s:.1f} s)")  # fmt: skip
    expected = chain_tree(condensed, Linkage("ward"))
    yield from same(tree, expected, "rounds, ward")


def same(tree: Tree, expected: Tree, name: str) -> Iterator[Line]:
    """Heights and labels of a tree against another."""
    difference = np.abs(tree[:, 2] / expected[:, 2] - 1)
    yield Line(f"{name}: height difference, 99.9% of the merges, in 1e-5",
               1e5 * np.quantile(difference, 0.999), 1.0,
               detail=f"(largest {difference.max():.1e})")  # fmt: skip
    cuts = [(partition(tree, k), partition(expected, k)) for k in range(2, 21)]
    agreement = [adjusted_rand_score(*both) for both in cuts]
    yield Line(f"{name}: least agreement of labels, k = 2 to 20", min(agreement), 1.0,
               at_most=False)  # fmt: skip


def timed(function: Callable[[], T]) -> tuple[float, T]:
    """Processor seconds, and the result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def _whole(spectra: np.ndarray) -> np.ndarray:
    return shifted_distances(spectra, MAX_SHIFT, dtype="float32").condensed


def _by_strips(spectra: np.ndarray) -> None:
    strips = StripDistances(mean_spectrum([spectra]), MAX_SHIFT)
    for pair in strip_pairs(len(spectra), 2048):
        right = None if pair.is_diagonal else spectra[pair.second]
        strips.rectangle(spectra[pair.first], right)


def _reset() -> int:
    reset_peak_memory()
    return peak_memory_bytes()


def main(side: int = 100, with_fastcluster: bool = True) -> bool:
    """Print the table; returns whether all targets are met."""
    return print_table(f"Trees of {side} x {side} spaxels", measure(side, with_fastcluster))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=100)
    parser.add_argument("--without-fastcluster", action="store_false", dest="with_fastcluster")
    sys.exit(0 if main(**vars(parser.parse_args())) else 1)
