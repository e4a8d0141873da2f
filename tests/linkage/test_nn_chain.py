"""The tree made in half the memory is the tree of fastcluster, and ties have one outcome."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import is_monotonic, is_valid_linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from survey.clustering.criteria import partition
from survey.distances.distances import shifted_distances
from survey.errors import DataError
from survey.linkage import nn_chain as chain_module
from survey.linkage.fastcluster import linkage_tree
from survey.linkage.lance_williams import Linkage
from survey.linkage.nn_chain import chain_tree
from tests.linkage.ward_identity import ward_identity

METHODS = ("ward", "average", "complete", "single")


def structured_spectra(n_spectra, seed=0, n_samples=80):
    """Spectra of seven kinds, displaced and noisy."""
    rng = np.random.default_rng(seed)
    kinds = rng.normal(size=(7, 40)).repeat(3, axis=1)
    kind, start = rng.integers(0, 7, n_spectra), rng.integers(0, 6, n_spectra)
    shapes = np.array([kinds[k, s : s + n_samples] for k, s in zip(kind, start, strict=True)])
    return shapes + rng.uniform(0.1, 0.4, (n_spectra, 1)) * rng.normal(size=shapes.shape)


@pytest.fixture(scope="module")
def condensed():
    return shifted_distances(structured_spectra(700), 6, dtype="float32").condensed


def tree_one_by_one(condensed, linkage):
    """Merge the nearest pair, again and again; of equally near pairs that of largest index."""
    square = squareform(linkage.feed(condensed.astype(np.float64)))
    np.fill_diagonal(square, np.inf)
    sizes = np.ones(len(square))
    clusters = [frozenset([i]) for i in range(len(square))]
    made = {}
    for _ in range(len(square) - 1):
        ties = np.argwhere(square == square.min())
        i, j = max((max(pair), min(pair)) for pair in ties.tolist())[::-1]
        others = np.isfinite(square[i]) & (np.arange(len(square)) != j)
        for k in np.flatnonzero(others):
            square[i, k] = square[k, i] = chain_module.combined.py_func(
                linkage.code, square[i, k], square[j, k], square[i, j], *sizes[[i, j, k]]
            )
        clusters[i] = clusters[i] | clusters[j]
        made[clusters[i]] = float(linkage.heights(square[i, j]))
        sizes[i] += sizes[j]
        square[j] = square[:, j] = np.inf
    return made


def clusters_of(tree):
    """Every cluster of a tree with the height of its merge."""
    clusters = [frozenset([i]) for i in range(len(tree) + 1)]
    for left, right, _, count in tree:
        clusters.append(clusters[int(left)] | clusters[int(right)])
        assert len(clusters[-1]) == count
    return dict(zip(clusters[len(tree) + 1 :], tree[:, 2], strict=True))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ward_input", ["distance", "squared"])
def test_heights_and_labels_are_those_of_fastcluster(condensed, method, ward_input):
    expected = linkage_tree(condensed, method, ward_input=ward_input)
    tree = chain_tree(condensed.copy(), Linkage(method, ward_input))
    assert is_valid_linkage(tree)
    assert is_monotonic(tree)
    np.testing.assert_allclose(tree[:, 2], expected[:, 2], rtol=1e-5)
    for k in range(2, 21):
        assert adjusted_rand_score(partition(tree, k), partition(expected, k)) == 1


@given(
    method=st.sampled_from(METHODS),
    size=st.integers(2, 30),
    levels=st.integers(1, 30),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
def test_the_chain_makes_the_tree_of_merging_one_by_one(method, size, levels, seed):
    # No geometry, and few different distances where ties survive rounding: of many nearest
    # neighbours the index decides.
    rng = np.random.default_rng(seed)
    condensed = rng.random(size * (size - 1) // 2)
    if method in ("complete", "single"):
        condensed = np.floor(levels * condensed)
    linkage = Linkage(method)
    made = clusters_of(chain_tree(condensed.copy(), linkage))
    expected = tree_one_by_one(condensed, linkage)
    assert made.keys() == expected.keys()
    for cluster, height in expected.items():
        assert made[cluster] == pytest.approx(height, rel=1e-12, abs=1e-12)


def test_a_galaxy_of_copies_makes_a_tree():
    tree = chain_tree(np.zeros(300 * 299 // 2, np.float32), Linkage("ward"))
    assert is_valid_linkage(tree)
    assert not tree[:, 2].any()


@pytest.mark.real_data
def test_real_spectra_give_the_tree_of_fastcluster(ngc7469_spectra):
    condensed = shifted_distances(ngc7469_spectra, 6, dtype="float32").condensed
    expected = linkage_tree(condensed, "ward")
    tree = chain_tree(condensed.copy(), Linkage("ward"))
    np.testing.assert_allclose(tree[:, 2], expected[:, 2], rtol=1e-5)
    assert abs(ward_identity(tree, condensed)) < 1e-6
    for k in range(2, 21):
        assert adjusted_rand_score(partition(tree, k), partition(expected, k)) == 1


def test_memory_beyond_the_matrix_grows_with_the_number_of_spaxels_only():
    chain_tree(np.ones(3, np.float32), Linkage("ward"))
    condensed = np.random.default_rng(0).random(2000 * 1999 // 2, dtype=np.float32)
    tracemalloc.start()
    chain_tree(condensed, Linkage("ward"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 600 * 2000 < 0.2 * condensed.nbytes


@pytest.mark.parametrize(
    ("condensed", "message"),
    [
        (np.array([1.0, np.nan, 1.0], np.float32), "out of range"),
        (np.array([1.0, np.inf, 1.0], np.float32), "out of range"),
        (np.array([1.0, -1.0, 1.0], np.float32), "out of range"),
        (np.ones(4, np.float32), "not a condensed"),
        (np.ones((3, 3), np.float32), "not a condensed"),
    ],
)
def test_unusable_distances_are_refused(condensed, message):
    with pytest.raises(DataError, match=message):
        chain_tree(condensed, Linkage("ward"))


def test_distances_whose_squares_are_too_large_are_refused():
    large = np.full(3, 1e30, np.float32)
    chain_tree(large.copy(), Linkage("ward"))
    with pytest.raises(DataError, match="can be squared in float32"):
        chain_tree(large.copy(), Linkage("ward", "squared"))
