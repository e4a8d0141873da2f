import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import adjusted_rand_score, silhouette_score

from survey.clustering.criteria import CutProblem, partition, silhouette
from survey.clustering.cut import CRITERIA, K_MAX, CutInput, choose_cut, largest_k
from survey.clustering.pair_sums import CondensedPairs
from survey.clustering.walk.walk import WalkResult
from survey.config import CutSettings


def ward(condensed):
    return linkage(np.sqrt(condensed), "ward")


def blobs(n_per_blob, n_blobs, *, spread=0.3, seed=0):
    """Squared distances of well separated groups, and their brightness and truth."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_blobs), n_per_blob)
    centres = 10 * np.eye(n_blobs)
    points = centres[truth] + spread * rng.normal(size=(len(truth), n_blobs))
    return pdist(points, "sqeuclidean"), rng.uniform(1, 2, len(truth)) + truth, truth


def problem(condensed, ks):
    return CutProblem(ward(condensed), CondensedPairs(condensed), np.asarray(ks))


def cut(condensed, brightness, snr_of_labels=None, *, tree=None, walk=None, **changes):
    given = CutInput(
        ward(condensed) if tree is None else tree,
        walk=walk or (lambda: pytest.fail("the walk is not asked for")),
        distances=lambda: CondensedPairs(condensed),
        snr_of_labels=snr_of_labels or (lambda labels: np.full(labels.max(), np.inf)),
    )
    return choose_cut(given, CutSettings(**changes), brightness=brightness)


def test_every_criterion_of_the_settings_exists():
    assert set(CRITERIA) == set(CutSettings.model_fields["criterion"].annotation.__args__)


@given(st.integers(3, 60), st.integers(0, 2**31))
@settings(max_examples=60)
def test_partitions_have_exactly_k_clusters_and_are_nested(n, seed):
    condensed = pdist(np.random.default_rng(seed).normal(size=(n, 3)), "sqeuclidean")
    tree = ward(condensed)
    finer = partition(tree, n)
    for k in range(n - 1, 0, -1):
        labels = partition(tree, k)
        assert set(labels) == set(range(k))
        assert len(np.unique(np.stack([finer, labels]), axis=1).T) == k + 1
        finer = labels


def test_partitions_are_those_of_scipy():
    condensed, _, _ = blobs(40, 4, spread=4.0)
    tree = ward(condensed)
    for k in range(1, 13):
        expected = fcluster(tree, k, criterion="maxclust")
        assert adjusted_rand_score(partition(tree, k), expected) == 1.0


def test_tied_heights_still_give_k_clusters():
    tree = ward(np.ones(45))
    assert [partition(tree, k).max() + 1 for k in range(1, 11)] == list(range(1, 11))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_silhouette_is_that_of_scikit_learn_for_every_k(dtype):
    rng = np.random.default_rng(1)
    condensed = pdist(rng.normal(size=(150, 4)), "sqeuclidean").astype(dtype)
    ks = np.arange(2, 30)
    case = problem(condensed, ks)
    square = np.sqrt(squareform(condensed.astype(np.float64)))
    expected = [
        silhouette_score(square, partition(case.tree, int(k)), metric="precomputed") for k in ks
    ]
    assert silhouette(case) == pytest.approx(expected, abs=1e-9)


def test_silhouette_of_2500_spaxels_takes_less_than_two_seconds():
    condensed = np.random.default_rng(2).random(2500 * 2499 // 2)
    case = CutProblem(linkage(condensed, "single"), CondensedPairs(condensed), np.arange(2, 13))
    start = time.process_time()
    silhouette(case)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("n_blobs", [2, 3, 4, 5, 6, 7])
def test_the_silhouette_finds_separated_groups(n_blobs):
    condensed, brightness, truth = blobs(25, n_blobs)
    result = cut(condensed, brightness, criterion="silhouette")
    assert result.k == n_blobs
    assert adjusted_rand_score(result.labels, truth) == 1.0


def test_the_silhouette_keeps_its_curve_within_the_limits_and_the_runner_up():
    condensed, brightness, _ = blobs(25, 4)
    result = cut(condensed, brightness, criterion="silhouette", k_min=3, k_max=9)
    assert result.curve["k"].tolist() == list(range(3, 10))
    order = result.curve["k"][np.argsort(-result.curve["silhouette"], kind="stable")]
    assert (result.k, result.runner_up) == tuple(order[:2])
    assert result.walked is None


@pytest.mark.parametrize("criterion", ["walk", "auto"])
def test_auto_is_another_name_of_the_walk(criterion):
    condensed, brightness, truth = blobs(10, 3)
    found = WalkResult(truth.astype(np.int32), [], 0.1, np.eye(3, dtype=np.float32)[truth])
    result = cut(condensed, brightness, walk=lambda: found, criterion=criterion)
    assert (result.k, result.criterion, result.walked) == (3, "walk", found)
    assert np.array_equal(result.fractions.argmax(axis=1) + 1, result.labels)
    assert adjusted_rand_score(result.labels, truth) == 1.0


@pytest.mark.parametrize(
    ("changes", "largest"),
    [
        ({}, None),
        ({"k_max": 5}, 5),
        ({"criterion": "fixed", "k_max": 5}, None),
        ({"criterion": "snr"}, K_MAX),
        ({"criterion": "silhouette", "k_max": 7}, 7),
    ],
)
def test_only_criteria_with_a_curve_have_a_largest_number_of_their_own(changes, largest):
    assert largest_k(CutSettings(**changes)) == largest


def test_clusters_are_numbered_from_the_brightest():
    condensed, brightness, truth = blobs(20, 4)
    labels = cut(condensed, brightness, criterion="fixed", k=4).labels
    medians = [np.median(brightness[labels == label]) for label in range(1, 5)]
    assert labels.dtype == np.int32
    assert medians == sorted(medians, reverse=True)
    assert np.array_equal(labels, 4 - truth)


@given(st.integers(1, 9), st.integers(1, 12))
@settings(max_examples=30)
def test_a_fixed_number_is_kept_as_far_as_there_are_spaxels(n, k):
    condensed = pdist(np.random.default_rng(n).normal(size=(n, 2)), "sqeuclidean")
    tree = ward(condensed) if n > 1 else np.empty((0, 4))
    result = cut(condensed, np.ones(n), tree=tree, criterion="fixed", k=k)
    assert result.k == min(n, k)
    assert set(result.labels) == set(range(1, result.k + 1))
    assert result.runner_up is None


def test_snr_criterion_takes_the_most_clusters_that_all_reach_the_target():
    condensed, brightness, _ = blobs(20, 4, spread=3.0)

    def root_of_size(labels):
        return np.sqrt(np.bincount(labels)[1:])

    result = cut(condensed, brightness, root_of_size, criterion="snr", target_snr=4.0)
    sizes = {
        k: np.bincount(cut(condensed, brightness, criterion="fixed", k=k).labels)[1:].min()
        for k in range(1, 13)
    }
    reached = [k for k, size in sizes.items() if size >= 16]
    assert (result.k, result.runner_up) == (reached[-1], reached[-2])
    assert result.k > 1
    assert result.curve["lowest_snr"] == pytest.approx(np.sqrt(list(sizes.values())))


def test_snr_criterion_falls_back_on_the_whole_galaxy():
    condensed, brightness, _ = blobs(20, 4)
    result = cut(condensed, brightness, lambda labels: np.ones(labels.max()), criterion="snr")
    assert (result.k, result.runner_up) == (1, None)


@pytest.mark.parametrize("n", [2, 3])
def test_a_handful_of_spaxels_is_cut_without_fuss(n):
    condensed = pdist(np.arange(n)[:, None] ** 2.0, "sqeuclidean")
    result = cut(condensed, np.arange(n) + 1.0, criterion="silhouette")
    assert 1 <= result.k < n + 1
    assert len(result.labels) == n
