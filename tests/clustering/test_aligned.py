"""Aligned spectra are points: Ward's tree of them, and how near it comes to that of the pairs."""

import tracemalloc

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from survey.clustering.aligned import aligned_reference, aligned_with, vector_tree
from survey.clustering.basis import spectral_basis
from survey.clustering.criteria import adjusted_rand, partition
from survey.clustering.distances import shifted_distances
from survey.clustering.linkage import linkage_tree
from survey.errors import ConfigError

MAX_SHIFT = 4


def displaced_spectra(n_spectra, n_samples=100, noise=0.1, seed=0):
    """Spectra of three kinds that share a line, displaced together; and kind and displacement."""
    rng = np.random.default_rng(seed)
    sample = np.arange(n_samples)
    kind, displacement = rng.integers(0, 3, n_spectra), rng.integers(-3, 4, n_spectra)
    place = sample - displacement[:, None]
    line = np.exp(-0.5 * ((place - 50) / 3) ** 2)
    second = np.exp(-0.5 * ((place - 30 - 15 * kind[:, None]) / 2) ** 2)
    spectra = 1 + 3 * line + 0.7 * second + noise * rng.normal(size=line.shape)
    return spectra, kind.astype(np.int32), displacement


def test_alignment_takes_out_the_displacements():
    spectra, _, displacement = displaced_spectra(300, noise=0.02)
    reference = aligned_reference(spectra, MAX_SHIFT)
    aligned = aligned_with(spectra, reference, MAX_SHIFT)
    assert np.isfinite(aligned).all()
    peak = aligned[:, 35:65].argmax(axis=1)
    assert np.ptp(displacement) == np.ptp(spectra[:, 35:65].argmax(axis=1)) == 6
    assert np.ptp(peak) <= 1


def test_noisy_spectra_do_not_smear_the_reference():
    spectra, _, _ = displaced_spectra(400, noise=0.02)
    noisy = np.arange(400) >= 100
    spectra[noisy] += 3.0 * np.random.default_rng(1).normal(size=(300, 100))
    clean = aligned_reference(spectra[~noisy], MAX_SHIFT)
    energy = np.where(noisy, 100 * 3.0**2, 100 * 0.02**2)
    weighted = aligned_reference(spectra, MAX_SHIFT, energy)
    plain = aligned_reference(spectra, MAX_SHIFT)
    assert np.abs(weighted - clean).max() < 0.02 < 0.2 < np.abs(plain - clean).max()


def test_spectra_without_noise_weigh_the_same():
    spectra, _, _ = displaced_spectra(400, noise=0.0)
    weighted = aligned_reference(spectra, MAX_SHIFT, np.zeros(400))
    np.testing.assert_allclose(weighted, aligned_reference(spectra, MAX_SHIFT))


def test_without_shifts_spectra_stay_as_they_are():
    spectra, _, _ = displaced_spectra(20)
    reference = aligned_reference(spectra, 0)
    np.testing.assert_allclose(reference, spectra.mean(axis=0))
    assert aligned_with(spectra, reference, 0) is spectra


def test_the_tree_of_points_is_that_of_their_distances():
    points = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    expected = linkage(points.astype(np.float64), "ward")
    np.testing.assert_allclose(vector_tree(points, "ward")[:, 2], expected[:, 2], rtol=1e-9)


def test_the_aligned_tree_finds_what_the_exact_one_finds():
    spectra, kind, _ = displaced_spectra(600)
    reference = aligned_reference(spectra, MAX_SHIFT)
    aligned = aligned_with(spectra, reference, MAX_SHIFT)
    tree = vector_tree(spectral_basis(aligned, 10).scores(aligned), "ward")
    exact = linkage_tree(shifted_distances(spectra, MAX_SHIFT).condensed, "ward")
    unaligned = vector_tree(spectral_basis(spectra, 10).scores(spectra), "ward")
    assert adjusted_rand(partition(exact, 3), kind) > 0.95
    assert adjusted_rand(partition(tree, 3), kind) > 0.95
    assert adjusted_rand(partition(unaligned, 3), kind) < 0.5


def test_no_matrix_is_made():
    points = np.random.default_rng(0).normal(size=(3000, 10))
    tracemalloc.start()
    vector_tree(points, "ward")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * points.nbytes < 0.2 * 3000 * 2999 / 2 * 4


@pytest.mark.parametrize("method", ["average", "complete", "single"])
def test_other_methods_are_refused(method):
    with pytest.raises(ConfigError, match="points alone"):
        vector_tree(np.ones((3, 2)), method)
