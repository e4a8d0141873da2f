"""Linkage trees: SciPy's heights, Ward's exact sum rule, and the inputs refused."""

import tracemalloc

import numpy as np
import pytest
from scipy.cluster.hierarchy import is_monotonic, is_valid_linkage, linkage
from scipy.spatial.distance import squareform

from survey.distances.distances import shifted_distances
from survey.errors import DataError
from survey.linkage.fastcluster import linkage_tree
from tests.linkage.ward_identity import ward_identity

METHODS = ("ward", "average", "complete", "single")


@pytest.fixture(scope="module")
def condensed():
    """Shift-minimised distances of 120 noisy spectra with a wandering line."""
    rng = np.random.default_rng(3)
    centre = rng.uniform(30, 70, (120, 1))
    line = rng.uniform(1, 3, (120, 1)) * np.exp(-0.5 * ((np.arange(100) - centre) / 3) ** 2)
    return shifted_distances(line + 0.1 * rng.normal(size=(120, 100)), 6).condensed


@pytest.mark.parametrize("method", METHODS)
def test_heights_equal_those_of_scipy(condensed, method):
    tree = linkage_tree(condensed, method)
    expected = linkage(np.sqrt(condensed), method)
    assert is_valid_linkage(tree)
    np.testing.assert_allclose(tree[:, 2], expected[:, 2], rtol=1e-12)
    np.testing.assert_array_equal(tree[:, 3], expected[:, 3])


def test_ward_of_squared_input_equals_scipy_fed_with_it_and_is_another_tree(condensed):
    squared = linkage_tree(condensed, "ward", ward_input="squared")
    np.testing.assert_allclose(squared[:, 2], linkage(condensed, "ward")[:, 2], rtol=1e-12)
    plain = linkage_tree(condensed, "ward")
    assert not np.array_equal(squared[:, 3], plain[:, 3])


@pytest.mark.parametrize("method", ["average", "complete", "single"])
def test_only_ward_has_a_choice_of_input(condensed, method):
    plain = linkage_tree(condensed, method)
    np.testing.assert_array_equal(linkage_tree(condensed, method, ward_input="squared"), plain)


@pytest.mark.parametrize("ward_input", ["distance", "squared"])
def test_ward_identity_holds_without_a_euclidean_space(condensed, ward_input):
    tree = linkage_tree(condensed, "ward", ward_input=ward_input)
    assert abs(ward_identity(tree, condensed, ward_input=ward_input)) < 1e-12
    assert is_monotonic(tree)
    # These distances are not those of points: double centring has negative eigenvalues.
    square = squareform(condensed)
    centre = np.eye(len(square)) - 1 / len(square)
    eigenvalues = np.linalg.eigvalsh(-0.5 * centre @ square @ centre)
    assert eigenvalues[0] < -0.01 * eigenvalues[-1]


def test_ward_identity_notices_a_wrong_tree(condensed):
    assert abs(ward_identity(linkage_tree(condensed, "average"), condensed)) > 0.1
    assert abs(ward_identity(linkage_tree(condensed, "ward"), 1.01 * condensed)) > 0.005


@pytest.mark.real_data
def test_ward_identity_holds_on_real_spectra_in_both_precisions(ngc7469_spectra):
    for dtype in ("float64", "float32"):
        condensed = shifted_distances(ngc7469_spectra, 6, dtype=dtype).condensed
        assert abs(ward_identity(linkage_tree(condensed, "ward"), condensed)) < 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_the_distances_are_left_unchanged(condensed, method):
    before = condensed.copy()
    linkage_tree(condensed, method)
    np.testing.assert_array_equal(condensed, before)


def test_no_more_than_one_copy_is_made():
    condensed = np.random.default_rng(0).random(1000 * 999 // 2)
    tracemalloc.start()
    linkage_tree(condensed, "ward")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * condensed.nbytes


def test_two_spectra_make_one_merge():
    tree = linkage_tree(np.array([9.0], np.float32), "ward")
    np.testing.assert_array_equal(tree, [[0, 1, 3, 2]])


@pytest.mark.parametrize(
    ("condensed", "message"),
    [
        (np.array([1.0, np.nan, 1.0]), "out of range"),
        (np.array([1.0, np.inf, 1.0]), "out of range"),
        (np.array([1.0, -1.0, 1.0]), "out of range"),
        (np.ones(4), "not a condensed"),
        (np.ones(0), "not a condensed"),
        (np.ones((3, 3)), "not a condensed"),
    ],
)
def test_unusable_distances_are_refused(condensed, message):
    with pytest.raises(DataError, match=message):
        linkage_tree(condensed, "ward")
