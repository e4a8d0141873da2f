"""Rounds on a stored matrix make the tree that is made in memory."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import is_monotonic, is_valid_linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from survey.clustering.criteria import partition
from survey.distances.distances import shifted_distances
from survey.linkage import reciprocal_rounds as rounds_module
from survey.linkage.fastcluster import linkage_tree
from survey.linkage.lance_williams import Linkage
from survey.linkage.nn_chain import chain_tree
from survey.linkage.reciprocal import nearest_clusters
from survey.linkage.reciprocal_rounds import Rounds
from tests.linkage.rounds_tree import rounds_tree

METHODS = ("ward", "average", "complete", "single")


class MemoryStore:
    """A matrix that must be written completely before it is read, and counts what is read."""

    def __init__(self, size):
        self.values = np.full((size, size), np.nan, np.float32)
        self.rows_read = 0

    def write(self, rows, values):
        assert (np.diff(rows) == 1).all()
        self.values[rows] = values

    def read(self, rows):
        self.rows_read += len(rows)
        assert np.isfinite(self.values[rows]).all()
        return self.values[rows]


def stored(condensed, linkage):
    """The matrix as it is stored at first."""
    store = MemoryStore(len(squareform(condensed)))
    store.values[...] = linkage.feed(squareform(condensed.astype(np.float32)))
    return store


def tree_by_rounds(condensed, linkage, *, fits, max_rows=64):
    store = stored(condensed, linkage)
    return rounds_tree(
        len(store.values), linkage, store.read, MemoryStore, fits=fits, max_rows=max_rows
    )


def structured_spectra(n_spectra, seed=0, n_samples=80):
    """Spectra of seven kinds, displaced and noisy."""
    rng = np.random.default_rng(seed)
    kinds = rng.normal(size=(7, 40)).repeat(3, axis=1)
    kind, start = rng.integers(0, 7, n_spectra), rng.integers(0, 6, n_spectra)
    shapes = np.array([kinds[k, s : s + n_samples] for k, s in zip(kind, start, strict=True)])
    return shapes + rng.uniform(0.1, 0.4, (n_spectra, 1)) * rng.normal(size=shapes.shape)


@pytest.fixture(scope="module")
def condensed():
    return shifted_distances(structured_spectra(600), 6, dtype="float32").condensed


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fits", [1, 50, 300, 600])
def test_heights_and_labels_are_those_of_fastcluster(condensed, method, fits):
    expected = linkage_tree(condensed, method)
    tree = tree_by_rounds(condensed, Linkage(method), fits=fits)
    assert is_valid_linkage(tree)
    assert is_monotonic(tree)
    np.testing.assert_allclose(tree[:, 2], expected[:, 2], rtol=1e-5)
    for k in range(2, 21):
        assert adjusted_rand_score(partition(tree, k), partition(expected, k)) == 1


def test_squared_input_is_clustered_as_in_memory(condensed):
    linkage = Linkage("ward", "squared")
    expected = chain_tree(condensed.copy(), linkage)
    tree = tree_by_rounds(condensed, linkage, fits=100)
    np.testing.assert_allclose(tree[:, 2], expected[:, 2], rtol=1e-5)


def clusters_of(tree):
    clusters = [frozenset([i]) for i in range(len(tree) + 1)]
    for left, right, *_ in tree:
        clusters.append(clusters[int(left)] | clusters[int(right)])
    return set(clusters)


@given(
    method=st.sampled_from(METHODS),
    size=st.integers(2, 60),
    levels=st.integers(1, 40),
    fits=st.integers(1, 30),
    max_rows=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
def test_any_distances_give_the_tree_of_the_chain(method, size, levels, fits, max_rows, seed):
    # No geometry, and ties where they survive rounding: the index decides, as in the chain.
    condensed = np.random.default_rng(seed).random(size * (size - 1) // 2, dtype=np.float32)
    if method in ("complete", "single"):
        condensed = np.floor(levels * condensed)
    linkage = Linkage(method)
    expected = chain_tree(condensed.copy(), linkage)
    tree = tree_by_rounds(condensed, linkage, fits=fits, max_rows=max_rows)
    np.testing.assert_allclose(tree[:, 2], expected[:, 2], rtol=1e-5, atol=1e-7)
    assert clusters_of(tree) == clusters_of(expected)


@pytest.mark.real_data
def test_real_spectra_give_the_tree_of_fastcluster(ngc7469_spectra):
    condensed = shifted_distances(ngc7469_spectra, 6, dtype="float32").condensed
    expected = linkage_tree(condensed, "ward")
    tree = tree_by_rounds(condensed, Linkage("ward"), fits=50)
    np.testing.assert_allclose(tree[:, 2], expected[:, 2], rtol=1e-5)


def test_jobs_may_be_cut_and_ordered_in_any_way(condensed):
    linkage = Linkage("ward")
    store = stored(condensed, linkage)
    rng = np.random.default_rng(0)
    together, apart = Rounds(600, linkage), Rounds(600, linkage)
    while together.n_clusters > 100:
        for rounds, max_rows in ((together, 10**6), (apart, int(rng.integers(1, 50)))):
            jobs = rounds.jobs(max_rows)
            rng.shuffle(jobs)
            grouping = rounds.grouping()
            rounds.merge(
                jobs,
                [nearest_clusters(grouping, job, store.read, max_rows=7) for job in jobs],
            )
        assert together.n_clusters == apart.n_clusters
        np.testing.assert_array_equal(together.grouping().cluster, apart.grouping().cluster)


def test_rounds_read_few_rows_after_the_first(condensed):
    linkage = Linkage("ward")
    store = stored(condensed, linkage)
    rounds = Rounds(600, linkage)
    while not rounds.has_shrunk:
        jobs, grouping = rounds.jobs(64), rounds.grouping()
        rounds.merge(jobs, [nearest_clusters(grouping, job, store.read) for job in jobs])
    assert rounds.n_rounds >= 4
    assert rounds.n_rows_read == store.rows_read < 0.7 * 600 * rounds.n_rounds


def test_what_travels_to_a_task_and_back_is_a_few_numbers_per_cluster(condensed):
    linkage = Linkage("ward")
    store = stored(condensed, linkage)
    rounds = Rounds(600, linkage)
    grouping, jobs = rounds.grouping(), rounds.jobs(100)
    results = [nearest_clusters(grouping, job, store.read) for job in jobs]
    assert len(pickle.dumps(grouping)) < 60 * 600
    assert sum(len(pickle.dumps(result)) for result in results) < 200 * 600
    assert len(pickle.dumps(rounds)) < 400 * 600


def test_three_that_prefer_each_other_in_a_circle_are_merged_all_the_same():
    rounds = Rounds(3, Linkage("ward"))
    near = rounds._near
    for slot, (other, distance) in enumerate([(1, 2.0), (2, 1.0), (0, 3.0)]):
        rounds_module.list_union(near, slot, other, np.float32(distance))
    rounds.merge([], [])
    assert rounds.n_clusters == 2
    np.testing.assert_array_equal(rounds.grouping().cluster, [0, 1, 1])
