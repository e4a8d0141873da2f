"""Which numbers of a representation to take distances of: how the choice was made.

Latents standardised; latents whitened by the noise that they have on average; coordinates of the
spectra as they are described, which is what a survey takes. Each with the noise kept and taken off.
Besides, spectra that are aligned once and otherwise left alone: what a representation starts from.

    python tests/benchmarks/bench_latent_metrics.py [--side 30] [--galaxies 12] [--latents 8]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_paths import ARCHIVE, MAX_SHIFT, WARD, WINDOW, Observed, observe
from bench_representations import SNR, SPECTRUM, clustered
from table import Line, print_table

from survey.clustering.aligned import aligned_reference, aligned_with
from survey.clustering.basis import spectral_basis
from survey.clustering.chain import chain_tree
from survey.clustering.criteria import adjusted_rand, partition
from survey.clustering.distances import shifted_distances
from survey.clustering.noise_bias import noise_energy, without_noise
from survey.latent.grid import Grid
from survey.latent.methods import make_representation
from survey.latent.spectra import SpectrumSet
from survey.simulate.archive import plan_archive
from survey.simulate.observation import Observation
from survey.spectra.noise import local_noise

DRAWS = 4
METHODS = ("pca", "nmf")


def indices(observed: Observed, latents: int) -> Iterator[tuple[str, float]]:
    """Adjusted Rand index with the truth by every metric."""
    yield SPECTRUM, clustered(observed, SPECTRUM, latents)[0]
    spectra = observed.prepared.spectra
    energy, noise = noise_energy(spectra), local_noise(spectra)
    reference = aligned_reference(spectra, MAX_SHIFT, energy)
    aligned = aligned_with(spectra, reference, MAX_SHIFT).astype(np.float64)
    yield "aligned spectra", _index(observed, aligned, energy)

    prepared = observed.prepared
    grid = Grid.from_centres(prepared.wavelength_um[prepared.compared], "um")
    rng = np.random.default_rng(0)
    drawn = [aligned + noise * rng.standard_normal(aligned.shape) for _ in range(DRAWS)]
    sets = [SpectrumSet(x, grid, "flux", ivar=noise**-2.0) for x in (aligned, *drawn)]
    for method in METHODS:
        model = make_representation(method, n_latents=latents).fit(sets[0])
        z, *moved = (model.transform(one) for one in sets)
        scatter = np.cov(np.concatenate([there - z for there in moved]).T)
        root = np.linalg.cholesky(np.linalg.pinv(scatter) + 1e-9 * np.eye(latents))
        described = [model.expected(one) for one in sets]
        basis = spectral_basis(described[0], latents)
        metrics = {
            "standardised": [one / z.std(axis=0) for one in (z, *moved)],
            "whitened": [one @ root for one in (z, *moved)],
            "described": [basis.scores(one) for one in described],
        }
        for name, (here, *there) in metrics.items():
            lost = np.mean([np.square(one - here).sum(axis=1) for one in there], axis=0)
            yield f"{method}, {name}, noise kept", _index(observed, here, 0 * lost)
            yield f"{method}, {name}", _index(observed, here, lost)


def _index(observed: Observed, vectors: np.ndarray, energy: np.ndarray) -> float:
    condensed = shifted_distances(np.asarray(vectors), 0, dtype="float32").condensed
    tree = chain_tree(without_noise(condensed, energy) if energy.any() else condensed, WARD)
    return adjusted_rand(partition(tree, observed.n_regions), observed.region)


def main(side: int = 30, galaxies: int = 12, latents: int = 8) -> bool:
    """Print means over the galaxies and S/N, and differences from spectra, galaxy by galaxy."""
    found: dict[str, list[list[float]]] = {}
    for snr in SNR:
        observation = Observation(shape=(side, side), window=WINDOW, snr=snr)
        plans = plan_archive(Path(), galaxies, archive=ARCHIVE, seed=0, observation=observation)
        for number, plan in enumerate(plans):
            with tempfile.TemporaryDirectory() as folder:
                observed = observe(plan, 0, Path(folder))
            for name, index in indices(observed, latents):
                found.setdefault(name, [[] for _ in plans])[number].append(index)
    means = {name: np.mean(values, axis=1) for name, values in found.items()}
    lines = []
    for name, mean in means.items():
        less = mean - means[SPECTRUM]
        error = less.std(ddof=1) / np.sqrt(len(less))
        detail = f"  less spectrum {less.mean():+.3f} +- {error:.3f}"
        lines.append(Line(f"{name}: ARI with the truth", mean.mean(), detail=detail))
    return print_table(f"Metrics: {galaxies} galaxies at S/N {SNR}, {latents} latents", lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=30)
    parser.add_argument("--galaxies", type=int, default=12)
    parser.add_argument("--latents", type=int, default=8)
    main(**vars(parser.parse_args()))
