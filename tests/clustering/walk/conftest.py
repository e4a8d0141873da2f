"""Spectra of known groups, with what differs although the light has one shape."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist

from survey.clustering.walk.aligned import align_to_components
from survey.clustering.walk.walk import walk
from survey.distances.noise import noise_energy

N_SAMPLE = 400
LINES = {"a": (80, 210, 300), "b": (120, 250, 340), "c": (80, 210, 370)}


def shape(lines: str, *, strength: float = 0.6, shift: float = 0.0, width: float = 2.5):
    """A continuum with three lines."""
    sample = np.arange(N_SAMPLE)
    continuum = 1.0 + 0.3 * np.sin(sample / 130.0)
    peaks = sum(np.exp(-0.5 * ((sample - c - shift) / width) ** 2) for c in LINES[lines])
    return continuum + strength * peaks


def walked(spectra, snr, *, max_shift=2, at_edge=None, seed=0, **limits):
    """The walk over noisy spectra, normalised by their sum."""
    spectra = np.asarray(spectra, dtype=float)
    noise = np.random.default_rng(seed).normal(size=spectra.shape)
    spectra = spectra + noise * (spectra.mean(axis=1) / snr)[:, None]
    spectra = spectra / spectra.mean(axis=1, keepdims=True)
    tree = linkage(pdist(spectra), "average")
    aligned = align_to_components(
        spectra, max_shift, snr=np.full(len(spectra), float(np.mean(snr))),
        energy=noise_energy(spectra),
    )  # fmt: skip
    edge = np.zeros(len(spectra), bool) if at_edge is None else at_edge
    return walk(tree, aligned, edge, **limits)


@pytest.fixture
def make_shape() -> Callable[..., np.ndarray]:
    return shape


@pytest.fixture
def walk_over() -> Callable[..., object]:
    return walked
