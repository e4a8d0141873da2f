"""Two stages: given the micro-clusters, the tree is exactly that of all spaxels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import is_monotonic, is_valid_linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from survey.clustering.criteria import partition
from survey.distances.distances import shifted_distances
from survey.errors import ConfigError
from survey.linkage.fastcluster import linkage_tree
from survey.linkage.lance_williams import Linkage
from survey.linkage.pca import spectral_basis
from survey.linkage.two_stage import MicroSums, block_sums, micro_clusters


def structured_spectra(n_spectra, seed=0, n_samples=80, noise=0.2):
    """Spectra of seven kinds, displaced and noisy, and their kind."""
    rng = np.random.default_rng(seed)
    kinds = np.random.default_rng(99).normal(size=(7, 40)).repeat(3, axis=1)
    kind, start = rng.integers(0, 7, n_spectra), rng.integers(0, 6, n_spectra)
    shapes = np.array([kinds[k, s : s + n_samples] for k, s in zip(kind, start, strict=True)])
    return shapes + noise * rng.normal(size=shapes.shape), kind.astype(np.int32)


def sums_of(square, labels, linkage, rows):
    """Block sums from rectangles of `rows` rows and columns."""
    fed = linkage.feed(square.copy())
    sums = MicroSums(labels)
    starts = range(0, len(square), rows)
    for a in starts:
        for b in range(a, len(square), rows):
            left, right = slice(a, a + rows), slice(b, b + rows)
            sums.add(block_sums(fed[left, right], labels[left], None if a == b else labels[right]))
    return sums


def merged_within(square, labels, linkage):
    """Distances of the micro-clusters by the recurrence, from merging spaxel by spaxel."""
    square = linkage.feed(square.copy())
    sizes = np.ones(len(square))
    alive = np.ones(len(square), bool)
    for i, j in members_joined(labels):
        for k in np.flatnonzero(alive):
            if k not in (i, j):
                n_i, n_j, n_k = sizes[[i, j, k]]
                # Without the bound from below, which holds for nearest neighbours only.
                if linkage.method == "ward":
                    value = (n_i + n_k) * square[i, k] + (n_j + n_k) * square[j, k]
                    value = (value - n_k * square[i, j]) / (n_i + n_j + n_k)
                else:
                    value = (n_i * square[i, k] + n_j * square[j, k]) / (n_i + n_j)
                square[i, k] = square[k, i] = value
        sizes[i] += sizes[j]
        alive[j] = False
    return square[np.ix_(alive, alive)], sizes[alive]


def members_joined(labels):
    for label in range(labels.max() + 1):
        first, *others = np.flatnonzero(labels == label)
        yield from ((first, other) for other in others)


@given(
    method=st.sampled_from(["ward", "average"]),
    ward_input=st.sampled_from(["distance", "squared"]),
    n_micro=st.integers(1, 12),
    rows=st.integers(1, 40),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
def test_block_sums_are_what_the_recurrence_gives_for_any_distances(
    method, ward_input, n_micro, rows, seed
):
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(n_micro), rng.integers(0, n_micro, 30 - n_micro)].astype(np.int32)
    square = squareform(rng.random(30 * 29 // 2))  # of no geometry at all
    linkage = Linkage(method, ward_input)
    sums = sums_of(square, labels, linkage, rows)
    expected, sizes = merged_within(square, labels, linkage)
    off = ~np.eye(n_micro, dtype=bool)
    np.testing.assert_allclose(sums.distances(linkage)[off], expected[off], atol=1e-12)
    np.testing.assert_array_equal(sums.counts, sizes)


@pytest.mark.parametrize("method", ["ward", "average"])
def test_micro_clusters_that_the_exact_tree_has_lead_to_the_exact_tree(method):
    spectra, _ = structured_spectra(400)
    condensed = shifted_distances(spectra, 6).condensed
    expected = linkage_tree(condensed, method)
    linkage = Linkage(method)
    micro = partition(expected, 60)
    order = np.argsort(np.unique(micro, return_index=True)[1])
    micro = np.argsort(order).astype(np.int32)[micro]
    tree = sums_of(squareform(condensed), micro, linkage, 64).tree(linkage)
    assert is_valid_linkage(tree)
    assert is_monotonic(tree)
    np.testing.assert_allclose(tree[-59:, 2], expected[-59:, 2], rtol=1e-9)
    np.testing.assert_array_equal(tree[-59:, 3], expected[-59:, 3])
    for k in range(1, 61):
        assert adjusted_rand_score(partition(tree, k), partition(expected, k)) == 1


def test_two_stages_find_the_kinds_of_spectra():
    spectra, kind = structured_spectra(1500)
    scores = spectral_basis(spectra[::3], 20).scores(spectra)
    micro = micro_clusters(scores, 150)
    condensed = shifted_distances(spectra, 6).condensed
    linkage = Linkage("ward")
    tree = sums_of(squareform(condensed), micro, linkage, 500).tree(linkage)
    exact = adjusted_rand_score(partition(linkage_tree(condensed, "ward"), 7), kind)
    assert adjusted_rand_score(partition(tree, 7), kind) > exact - 0.02 > 0.9


def test_micro_clusters_are_numbered_by_their_first_spaxel_and_none_is_empty():
    spectra, _ = structured_spectra(300)
    scores = spectral_basis(spectra).scores(spectra)
    labels = micro_clusters(scores, 40)
    numbers, first = np.unique(labels, return_index=True)
    np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
    assert (np.diff(first) > 0).all()
    assert 30 <= len(numbers) <= 40
    within = sum(scores[labels == m].var(axis=0).sum() * (labels == m).sum() for m in numbers)
    assert within < 0.35 * len(scores) * scores.var(axis=0).sum()


def test_scores_keep_the_distances_of_what_the_components_span():
    spectra, _ = structured_spectra(200, noise=0.0)
    basis = spectral_basis(spectra, 60)
    scores = basis.scores(spectra)
    np.testing.assert_allclose(basis.components @ basis.components.T, np.eye(60), atol=1e-9)
    np.testing.assert_allclose(
        np.linalg.norm(scores[0] - scores, axis=1),
        np.linalg.norm(spectra[0] - spectra, axis=1),
        atol=1e-4,
    )
    few = spectral_basis(spectra[:5], 60)
    assert len(few.components) == 5


def test_micro_clusters_that_are_none_still_make_a_tree():
    square = squareform(np.random.default_rng(0).random(60 * 59 // 2))
    labels = np.arange(60, dtype=np.int32) % 12
    sums = sums_of(square, labels, Linkage("ward"), 60)
    assert sums.distances(Linkage("ward"))[np.triu_indices(12, 1)].min() < 0
    tree = sums.tree(Linkage("ward"))
    assert is_valid_linkage(tree)
    assert is_monotonic(tree)


def test_few_spaxels_and_one_micro_cluster_make_a_tree():
    labels = np.zeros(4, np.int32)
    tree = sums_of(squareform(np.arange(1.0, 7.0)), labels, Linkage("ward"), 4).tree(
        Linkage("ward")
    )
    assert is_valid_linkage(tree)
    assert not tree[:, 2].any()


@pytest.mark.parametrize("method", ["complete", "single"])
def test_methods_that_need_more_than_sums_are_refused(method):
    sums = sums_of(squareform(np.ones(3)), np.arange(3, dtype=np.int32), Linkage(method), 3)
    with pytest.raises(ConfigError, match="micro-clusters"):
        sums.tree(Linkage(method))
