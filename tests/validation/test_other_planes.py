"""Clusters of one half of the spectrum are told apart by the other half, or are noise."""

from dataclasses import replace

import numpy as np

from survey.validation.other_planes import told_apart
from survey.validation.variants import halves_of_planes
from tests.validation.galaxies import galaxy_of


def told(galaxy, labels, seed=0):
    """By the long half of the spectrum, in which the two spectra differ by their bump."""
    _, long = halves_of_planes(galaxy.data)
    rng = np.random.default_rng(seed)
    return told_apart(replace(galaxy.data, compared=long), galaxy.recipe, labels, rng)


def test_real_clusters_are_told_apart_by_planes_that_did_not_make_them():
    galaxy = galaxy_of(2)
    found = told(galaxy, galaxy.labels)
    assert found.accuracy > 0.98
    assert max(found.shuffled) < 0.65
    assert found.n == len(galaxy.labels)


def test_clusters_that_are_noise_are_not_told_apart():
    galaxy = galaxy_of(1)
    labels = np.random.default_rng(1).integers(1, 3, len(galaxy.labels)).astype(np.int32)
    found = told(galaxy, labels)
    assert abs(found.accuracy - 0.5) < 0.12
    assert min(found.shuffled) < found.accuracy < max(found.shuffled) + 0.05


def test_a_small_cluster_counts_as_much_as_a_large_one():
    galaxy = galaxy_of(2)
    labels = np.where(galaxy.labels == 2, 1, 1)
    few = np.flatnonzero(galaxy.labels == 2)[:8]
    labels[few] = 2
    # Eight spaxels of the second spectrum against a cluster of both: half of which are like them.
    found = told(galaxy, labels.astype(np.int32))
    assert 0.5 < found.accuracy < 0.9


def test_one_cluster_cannot_be_told_apart():
    galaxy = galaxy_of(2)
    assert told(galaxy, np.ones_like(galaxy.labels)) is None
    labels = np.ones_like(galaxy.labels)
    labels[0] = 2
    assert told(galaxy, labels) is None
