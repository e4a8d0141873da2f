"""What is gained, or lost, by clustering in latent space.

Simulated galaxies like the paper's, at several S/N, are clustered by their spectra (the default:
distances minimised over a shift, less their noise) and by each representation, fitted on their own
spaxels as a survey does it. Adjusted Rand indices are for as many clusters as there are regions in
the truth. Those of single galaxies scatter by 0.2, whence the differences, galaxy by galaxy.

    python tests/benchmarks/bench_representations.py [--side 30] [--galaxies 12] [--snr 3 5 10 30]
        [--latents 8] [--representations pca nmf latent]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from bench_paths import ARCHIVE, WARD, WINDOW, Observed, observe
from table import Line, print_table

from survey.clustering.chain import chain_tree
from survey.clustering.criteria import adjusted_rand, partition
from survey.clustering.distances import shifted_distances
from survey.clustering.noise_bias import without_noise
from survey.config import DistanceSettings
from survey.pipeline.linking import SEED
from survey.pipeline.representing import what_is_compared
from survey.simulate.archive import plan_archive
from survey.simulate.observation import Observation

SPECTRUM = "spectrum"
REPRESENTATIONS = ("pca", "nmf", "latent")
SNR = (3.0, 5.0, 10.0, 30.0)


def clustered(observed: Observed, representation: str, latents: int) -> tuple[float, float]:
    """Adjusted Rand index with the truth, and seconds of distances and tree."""
    settings = DistanceSettings(representation=representation, latents=latents)
    start = time.perf_counter()
    found = what_is_compared(observed.prepared, settings, SEED)
    condensed = shifted_distances(found.rows, found.max_shift, dtype="float32").condensed
    tree = chain_tree(without_noise(condensed, found.energy), WARD)
    seconds = time.perf_counter() - start
    return adjusted_rand(partition(tree, observed.n_regions), observed.region), seconds


def measured(
    snr: float, side: int, galaxies: int, latents: int, representations: Sequence[str]
) -> dict[str, np.ndarray]:
    """Index and seconds (galaxies, 2) of everything at one S/N."""
    observation = Observation(shape=(side, side), window=WINDOW, snr=snr)
    plans = plan_archive(Path(), galaxies, archive=ARCHIVE, seed=0, observation=observation)
    found: dict[str, list[tuple[float, float]]] = {
        name: [] for name in (SPECTRUM, *representations)
    }
    for plan in plans:
        with tempfile.TemporaryDirectory() as folder:
            observed = observe(plan, 0, Path(folder))
        for name, values in found.items():
            values.append(clustered(observed, name, latents))
    return {name: np.array(values) for name, values in found.items()}


def lines(snr: float, found: dict[str, np.ndarray]) -> Iterator[Line]:
    """Means over the galaxies, their errors, and differences from spectra."""
    base = found[SPECTRUM][:, 0]
    for name, values in found.items():
        index, seconds = values.T
        detail = f"  +- {_error(index):.3f}, {seconds.mean():.1f} s"
        if name != SPECTRUM:
            less = index - base
            detail += f"; less spectrum {less.mean():+.3f} +- {_error(less):.3f}"
        yield Line(f"S/N {snr:g}, {name}: ARI with the truth", index.mean(), detail=detail)


def overall(found: Sequence[dict[str, np.ndarray]]) -> Iterator[Line]:
    """Differences from spectra, each galaxy with the mean of its S/N."""
    for name in list(found[0])[1:]:
        less = np.mean([one[name][:, 0] - one[SPECTRUM][:, 0] for one in found], axis=0)
        detail = f"  +- {_error(less):.3f}"
        yield Line(f"any S/N, {name}: ARI less that of spectra", less.mean(), detail=detail)


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def main(
    side: int = 30,
    galaxies: int = 12,
    snr: Sequence[float] = SNR,
    latents: int = 8,
    representations: Sequence[str] = REPRESENTATIONS,
) -> bool:
    """Print the table."""
    found = []
    rows: list[Line] = []
    for one in snr:
        found.append(measured(one, side, galaxies, latents, representations))
        rows += lines(one, found[-1])
        print_table(f"S/N {one:g}", lines(one, found[-1]))
    title = f"Representations: {galaxies} galaxies of {side} x {side} spaxels, {latents} latents"
    return print_table(title, [*rows, *overall(found)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=30)
    parser.add_argument("--galaxies", type=int, default=12)
    parser.add_argument("--snr", type=float, nargs="+", default=SNR)
    parser.add_argument("--latents", type=int, default=8)
    parser.add_argument("--representations", nargs="+", default=REPRESENTATIONS)
    sys.exit(0 if main(**vars(parser.parse_args())) else 1)
