"""Sums and parts of the distance matrix are the same wherever it is; samples stand for all."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

from survey.clustering.criteria import CutProblem, partition, silhouette
from survey.clustering.pair_sums import (
    CondensedPairs,
    SampledPairs,
    random_sample,
    sampled_members,
)
from survey.clustering.profiles import cluster_medoids, sampled_medoid


def ward(condensed):
    return linkage(np.sqrt(condensed), "ward")


@pytest.fixture(scope="module")
def points():
    """Four groups that overlap at the edges."""
    rng = np.random.default_rng(0)
    return 4.0 * np.eye(4)[np.arange(1200) % 4] + rng.normal(size=(1200, 4))


@pytest.fixture(scope="module")
def condensed(points):
    return pdist(points, "sqeuclidean")


def everything(condensed):
    size = len(squareform(condensed))
    return {
        "condensed": CondensedPairs(condensed),
        "sample": SampledPairs(np.arange(size), condensed),
    }


@pytest.mark.parametrize("kind", ["condensed", "sample"])
def test_sums_are_those_of_the_square_matrix(condensed, kind):
    pairs = everything(condensed)[kind]
    square = squareform(condensed)
    labels = np.random.default_rng(1).integers(0, 5, len(square))
    expected = np.stack([np.sqrt(square[:, labels == label]).sum(axis=1) for label in range(5)])
    np.testing.assert_allclose(pairs.sums_to_clusters(labels, 5), expected)
    np.testing.assert_array_equal(pairs.items, np.arange(1200))


def test_the_cut_and_the_medoids_do_not_depend_on_where_the_distances_are(condensed):
    tree, ks = ward(condensed), np.arange(2, 9)
    here = CutProblem(tree, CondensedPairs(condensed), ks)
    there = CutProblem(tree, everything(condensed)["sample"], ks)
    np.testing.assert_allclose(silhouette(there), silhouette(here))
    labels = partition(tree, 5) + 1
    np.testing.assert_array_equal(
        cluster_medoids(there.pairs, labels), cluster_medoids(condensed, labels)
    )


def test_a_sample_tells_the_silhouettes_to_the_accuracy_of_a_mean(points, condensed):
    tree, ks = ward(condensed), np.arange(2, 9)
    exact = silhouette(CutProblem(tree, CondensedPairs(condensed), ks))
    values = []
    for seed in range(10):
        items = random_sample(1200, 300, seed)
        pairs = SampledPairs(items, pdist(points[items], "sqeuclidean"))
        values.append(silhouette(CutProblem(tree, pairs, ks)))
    assert np.abs(np.mean(values, axis=0) - exact).max() < 0.02
    assert np.abs(np.array(values) - exact).max() < 0.06
    assert np.ptp(exact) > 0.1


def test_clusters_of_which_the_sample_has_nothing_are_left_out(points, condensed):
    tree = ward(condensed)
    labels = partition(tree, 6)
    items = np.flatnonzero(labels != 3)
    pairs = SampledPairs(items, pdist(points[items], "sqeuclidean"))
    (value,) = silhouette(CutProblem(tree, pairs, np.array([6])))
    assert np.isfinite(value)
    assert -1 <= value <= 1


def test_the_medoid_of_a_sample_is_near_the_middle(points):
    spectra = np.repeat(points[::4], 5, axis=1)
    distance = squareform(pdist(spectra)).sum(axis=0)
    assert sampled_medoid(spectra, 0) == np.argmin(distance)
    sample = random_sample(len(spectra), 100, 0)
    rank = np.argsort(np.argsort(distance))[sample[sampled_medoid(spectra[sample], 0)]]
    assert rank < 0.05 * len(spectra)
    assert sampled_medoid(spectra[:2], 0) == 0


def test_samples_are_increasing_without_repeats_and_no_larger_than_asked():
    labels = np.array([1] * 50 + [2] * 3 + [3])
    members = sampled_members(labels, 10, seed=0)
    assert [len(rows) for rows in members] == [10, 3, 1]
    for label, rows in enumerate(members, start=1):
        assert (labels[rows] == label).all()
        assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(random_sample(5, 9, 0), np.arange(5))
