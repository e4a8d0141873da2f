import numpy as np
import pytest
from scipy import sparse
from sklearn.semi_supervised import LabelSpreading

from survey.classes.draw import scaling_of
from survey.classes.sample import Method
from survey.classes.spread import label_mass, similarity_graph, spread_labels
from survey.classes.types import UNLABELLED
from survey.errors import ConfigError
from tests.classes.simulated import simulated_sample


def scaled_sample(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictors, labels and true classes of simulated clusters."""
    labelled, truth = simulated_sample(seed)
    return scaling_of(labelled)(labelled.sample.measured()), labelled.labels, truth


def test_scikit_learn_calls_unreached_rows_the_first_class_and_we_leave_them_unlabelled() -> None:
    predictors, labels, truth = scaled_sample()
    bare = LabelSpreading().fit(predictors, labels)
    empty = bare.label_distributions_.sum(axis=1) == 0
    assert empty.sum() > 5
    assert (bare.transduction_[empty] == 0).all()  # silently the first class, AGN
    assert (truth[empty] != 0).any()  # ... which many of them are not

    same_kernel = Method(kernel="rbf", gamma=20.0, alpha=0.2)
    graph = similarity_graph(predictors, same_kernel)
    ours = spread_labels(graph, labels, 3, same_kernel.alpha)
    assert (ours[empty] == UNLABELLED).all()
    np.testing.assert_array_equal(ours[labels >= 0], labels[labels >= 0])

    by_neighbours = spread_labels(similarity_graph(predictors, Method()), labels, 3, 0.2)
    assert (by_neighbours != UNLABELLED).all()
    assert np.mean(by_neighbours[empty] == truth[empty]) > 0.9


def test_a_group_without_labels_of_its_own_stays_unlabelled() -> None:
    rng = np.random.default_rng(0)
    predictors = rng.normal(size=(40, 3)).astype(np.float32)
    predictors[30:] += 1000
    labels = np.full(40, UNLABELLED, np.int32)
    labels[:2] = 0, 1
    found = spread_labels(similarity_graph(predictors, Method()), labels, 2, 0.5)
    assert (found[30:] == UNLABELLED).all()
    assert (found[:30] != UNLABELLED).all()


def test_a_cluster_unlike_all_others_stays_unlabelled() -> None:
    rng = np.random.default_rng(0)
    predictors = rng.normal(size=(30, 3)).astype(np.float32)
    predictors[7] = 500.0
    labels = np.tile(np.array([0, 1, UNLABELLED], np.int32), 10)
    labels[7] = UNLABELLED
    for method in (Method(), Method(kernel="rbf")):
        found = spread_labels(similarity_graph(predictors, method), labels, 2, 0.2)
        assert np.flatnonzero(found == UNLABELLED).tolist() == [7]


def test_a_tie_is_no_label() -> None:
    chain = sparse.csr_array(np.array([[0, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0]]))
    labels = np.array([0, UNLABELLED, 1], np.int32)
    assert spread_labels(chain, labels, 2, 0.2)[1] == UNLABELLED


@pytest.mark.parametrize("kernel", ["knn", "rbf"])
@pytest.mark.parametrize("alpha", [0.2, 0.9])
def test_mass_is_the_fixed_point_of_spreading(kernel: str, alpha: float) -> None:
    predictors, labels, _ = scaled_sample(1)
    graph = similarity_graph(predictors, Method(kernel=kernel))
    dense = graph.toarray() if sparse.issparse(graph) else graph
    np.testing.assert_allclose(dense, dense.T, atol=1e-15)
    given = labels[:, np.newaxis] == np.arange(3)
    expected = (1 - alpha) * np.linalg.solve(np.eye(len(labels)) - alpha * dense, given)
    np.testing.assert_allclose(label_mass(graph, labels, 3, alpha), expected, atol=1e-8)


def test_the_order_of_clusters_and_of_classes_does_not_matter() -> None:
    predictors, labels, _ = scaled_sample(2)
    found = spread_labels(similarity_graph(predictors, Method()), labels, 3, 0.2)

    order = np.random.default_rng(0).permutation(len(labels))
    shuffled = similarity_graph(predictors[order], Method())
    np.testing.assert_array_equal(spread_labels(shuffled, labels[order], 3, 0.2), found[order])

    renamed = np.array([2, 0, 1, UNLABELLED], np.int32)  # UNLABELLED is the last by its index
    other_names = spread_labels(similarity_graph(predictors, Method()), renamed[labels], 3, 0.2)
    np.testing.assert_array_equal(other_names, renamed[found])


def test_spreading_finds_the_classes_of_simulated_clusters() -> None:
    right = []
    for seed in range(5):
        predictors, labels, truth = scaled_sample(seed)
        found = spread_labels(similarity_graph(predictors, Method()), labels, 3, 0.2)
        right.append(np.mean(found[labels < 0] == truth[labels < 0]))
    assert np.mean(right) > 0.88


def test_the_dense_kernel_is_refused_where_it_would_fill_the_memory() -> None:
    with pytest.raises(ConfigError, match="rbf kernel needs too much memory"):
        similarity_graph(np.zeros((6000, 2), np.float32), Method(kernel="rbf"))
