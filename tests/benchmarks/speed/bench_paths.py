"""How far a tree made in two stages is from the exact one.

Simulated galaxies like the paper's are observed twice, which only changes the noise. Against the
truth, an approximate tree may find a little less than the exact one. Against the exact tree it may
differ no more than that of the second observation does: differences that the next night would
make as well mean nothing.

Adjusted Rand indices of single galaxies scatter by 0.15, whence many of them, and with the exact
tree a mean over many cuts.

    python -m tests.benchmarks.speed.bench_paths [--side 40] [--galaxies 28] [--snr 10] [--micro N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from sklearn.metrics import adjusted_rand_score

from survey.clustering.criteria import partition
from survey.clustering.pair_sums import random_sample
from survey.config import PrepareSettings, ReadSettings
from survey.cubes.registry import read_cube
from survey.distances.distances import shifted_distances
from survey.distances.noise import noise_energy, without_noise
from survey.distances.strips import StripDistances, mean_spectrum, strip_pairs, subtract_noise
from survey.linkage.dendrogram import Tree
from survey.linkage.lance_williams import Linkage
from survey.linkage.nn_chain import chain_tree
from survey.linkage.pca import SAMPLE_SIZE, spectral_basis
from survey.linkage.two_stage import MicroSums, block_sums, micro_clusters
from survey.simulate import simulate_galaxy
from survey.simulate.archive import PlannedGalaxy, plan_archive
from survey.simulate.observation import Observation
from survey.simulate.write import truth_path
from survey.spectra.prepare import Prepared, prepare
from tests.benchmarks.table import Line, print_table

ARCHIVE = "gatos-like"
WINDOW = "ch3-short"
MAX_SHIFT = 6
WARD = Linkage("ward")
KS = range(3, 13)
SPAXELS_PER_MICRO = 10
SMALLEST_REGION = 0.01
"""Fraction of the spaxels below which a region of the truth does not count as a cluster."""


@dataclass(frozen=True)
class Observed:
    """One observation of a galaxy: its spectra, and which region of the truth they belong to."""

    prepared: Prepared
    region: np.ndarray
    spaxel: np.ndarray

    @property
    def n_regions(self) -> int:
        """Regions large enough to be found."""
        share = np.bincount(self.region) / len(self.region)
        return int(np.count_nonzero(share > SMALLEST_REGION))


def observe(plan: PlannedGalaxy, seed: int, folder: Path) -> Observed:
    """Simulate, read and prepare one cube."""
    path = folder / f"draw{seed}_s3d.fits"
    simulate_galaxy(plan.model, path, plan.seed + seed, observation=plan.observation)
    cube = read_cube(path, ReadSettings(), redshift=plan.model.redshift)
    flux, error, bad = (
        cube[name].values.reshape(cube.sizes["wavelength"], -1).T
        for name in ("flux", "error", "bad")
    )
    prepared = prepare(
        flux,
        error,
        bad,
        cube["wavelength"].values,
        redshift=plan.model.redshift,
        settings=PrepareSettings(),
        shift_samples=MAX_SHIFT,
    )
    truth = fits.getdata(truth_path(path), "TRUTH_MAP").ravel()[prepared.spaxels]
    return Observed(prepared, truth.astype(np.int64), prepared.spaxels)


def exact_tree(observed: Observed, n_micro: int) -> Tree:
    """Ward's tree of the whole matrix."""
    spectra = observed.prepared.spectra
    condensed = shifted_distances(spectra, MAX_SHIFT, dtype="float32").condensed
    return chain_tree(without_noise(condensed, noise_energy(spectra)), WARD)


def two_stage_tree(observed: Observed, n_micro: int) -> Tree:
    """Ward's tree of micro-clusters."""
    spectra = observed.prepared.spectra
    energy = noise_energy(spectra)
    sample = spectra[random_sample(len(spectra), SAMPLE_SIZE, 0)]
    micro = micro_clusters(spectral_basis(sample).scores(spectra), n_micro)
    strips = StripDistances(mean_spectrum([spectra]), MAX_SHIFT)
    sums = MicroSums(micro)
    for pair in strip_pairs(len(spectra), 2048):
        first, second = pair.first, pair.second
        right = (
            (None,) * 3 if pair.is_diagonal else (spectra[second], energy[second], micro[second])
        )
        values = strips.rectangle(spectra[first], right[0]).values
        subtract_noise(values, energy[first], right[1])
        sums.add(block_sums(values, micro[first], right[2]))
    return sums.tree(WARD)


APPROXIMATE: dict[str, Callable[[Observed, int], Tree]] = {"two stages": two_stage_tree}


@dataclass(frozen=True)
class Agreement:
    """Adjusted Rand indices of one galaxy, by tree.

    `with_truth` is for as many clusters as there are regions, `with_exact` a mean over `KS`.
    """

    with_truth: dict[str, float]
    with_exact: dict[str, float]


def agreement(plan: PlannedGalaxy, n_micro: int | None) -> Agreement:
    """All trees of one galaxy."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (observe(plan, seed, Path(folder)) for seed in (0, 1))
    n_micro = n_micro or len(first.spaxel) // SPAXELS_PER_MICRO
    exact = exact_tree(first, n_micro)
    trees = {name: tree(first, n_micro) for name, tree in APPROXIMATE.items()}
    with_truth = {
        name: adjusted_rand_score(partition(tree, first.n_regions), first.region)
        for name, tree in {"exact": exact, **trees}.items()
    }
    everything = np.arange(len(first.spaxel))
    with_exact = {
        name: mean_agreement(tree, everything, exact, everything) for name, tree in trees.items()
    }
    _, here, there = np.intersect1d(first.spaxel, second.spaxel, return_indices=True)
    again = exact_tree(second, n_micro)
    with_exact["second observation"] = mean_agreement(again, there, exact, here)
    return Agreement(with_truth, with_exact)


def mean_agreement(tree: Tree, rows: np.ndarray, other: Tree, other_rows: np.ndarray) -> float:
    """Adjusted Rand index of two trees on the same spaxels, mean over the cuts."""
    agreement = [
        adjusted_rand_score(partition(tree, k)[rows], partition(other, k)[other_rows]) for k in KS
    ]
    return float(np.mean(agreement))


def lines(found: list[Agreement]) -> Iterator[Line]:
    """Means over the galaxies, and their errors."""
    for name in APPROXIMATE:
        less = np.array([a.with_truth[name] - a.with_truth["exact"] for a in found])
        exact = np.mean([a.with_truth["exact"] for a in found])
        detail = f"  +- {_error(less):.3f}, exact {exact:.3f}"
        yield Line(f"{name}: ARI with the truth, less that of the exact tree",
                   less.mean(), -0.02, at_most=False, detail=detail)  # fmt: skip
    for name in APPROXIMATE:
        more = np.array([a.with_exact[name] - a.with_exact["second observation"] for a in found])
        control = np.mean([a.with_exact["second observation"] for a in found])
        detail = f"  +- {_error(more):.3f}, second observation {control:.3f}"
        yield Line(f"{name}: ARI with the exact tree, less that of a second observation",
                   more.mean(), 0.0, at_most=False, detail=detail)  # fmt: skip


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def main(side: int = 40, galaxies: int = 28, snr: float = 10.0, n_micro: int | None = None) -> bool:
    """Print the table; returns whether all targets are met."""
    observation = Observation(shape=(side, side), window=WINDOW, snr=snr)
    plans = plan_archive(Path(), galaxies, archive=ARCHIVE, seed=0, observation=observation)
    found = []
    for plan in plans:
        found.append(agreement(plan, n_micro))
        print(plan.model.name, found[-1], flush=True)
    title = f"Approximate trees: {galaxies} galaxies of {side} x {side} spaxels, S/N {snr:g}"
    return print_table(title, lines(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=40)
    parser.add_argument("--galaxies", type=int, default=28)
    parser.add_argument("--snr", type=float, default=10.0)
    parser.add_argument("--micro", type=int, dest="n_micro")
    sys.exit(0 if main(**vars(parser.parse_args())) else 1)
