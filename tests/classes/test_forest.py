import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from survey.classes.methods.decision_tree import built_tree, fitted_tree
from survey.classes.methods.forest import GrownTree, grow_trees, probabilities
from survey.classes.methods.forest_arrays import flatten, forest_arrays, forest_from_arrays
from survey.classes.types import UNLABELLED

N, P = 60, 8


def training_set(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, N).astype(np.int32)
    predictors = rng.normal(size=(N, P)).astype(np.float32)
    predictors[:, 2] += 1.2 * labels
    return predictors, labels


def grown(trees: int, seed: int = 0, rows_per_tree: int = 4096) -> list[GrownTree]:
    predictors, labels = training_set()
    rng = np.random.default_rng(seed)
    return grow_trees(
        predictors, labels, n_classes=3, trees=trees, rows_per_tree=rows_per_tree, rng=rng
    )


def test_the_forest_is_that_of_scikit_learn() -> None:
    predictors, labels = training_set()
    theirs = RandomForestClassifier(600, oob_score=True, random_state=0).fit(predictors, labels)
    trees = grown(600)
    p, p_oob = probabilities(trees, predictors)
    np.testing.assert_allclose(p, theirs.predict_proba(predictors), atol=0.08)
    np.testing.assert_allclose(p_oob, theirs.oob_decision_function_, atol=0.15)
    importance = np.mean([tree.importances for tree in trees], axis=0)
    np.testing.assert_allclose(importance, theirs.feature_importances_, atol=0.02)


def test_the_builder_grows_the_tree_of_the_public_class_node_by_node() -> None:
    predictors, labels = training_set()
    ours, theirs = np.random.RandomState(5), np.random.RandomState(5)
    for n_rows in (1, 2, 7, N, N, N):
        classes, target = np.unique(labels[:n_rows], return_inverse=True)
        built = built_tree(predictors[:n_rows], target, len(classes), ours)
        fitted = fitted_tree(predictors[:n_rows], target, theirs)
        for name in ("children_left", "children_right", "feature", "threshold", "value"):
            np.testing.assert_array_equal(getattr(built, name), getattr(fitted, name))
    assert ours.randint(2**31) == theirs.randint(2**31)


def test_probabilities_out_of_bag_are_less_sure_than_those_of_clusters_learnt() -> None:
    predictors, labels = training_set()
    p, p_oob = (found[np.arange(N), labels] for found in probabilities(grown(200), predictors))
    assert p.mean() > p_oob.mean() + 0.15


def test_a_cluster_that_all_trees_have_seen_has_no_probability_out_of_bag() -> None:
    predictors, _ = training_set()
    trees = grown(3)
    _, p_oob = probabilities(trees, predictors)
    seen_by_all = ~np.any([tree.unseen(N) for tree in trees], axis=0)
    assert seen_by_all.any()
    np.testing.assert_array_equal(np.isnan(p_oob).all(axis=1), seen_by_all)


def test_clusters_without_a_label_are_not_learnt_from() -> None:
    predictors, labels = training_set()
    labels[::2] = UNLABELLED
    rng = np.random.default_rng(0)
    trees = grow_trees(predictors, labels, n_classes=3, trees=20, rows_per_tree=4096, rng=rng)
    assert all(tree.unseen(N)[::2].all() for tree in trees)


def test_a_tree_sees_no_more_clusters_than_allowed() -> None:
    assert all(len(tree.rows) == 10 for tree in grown(5, rows_per_tree=10))


def test_a_tree_that_misses_a_class_gives_it_no_probability() -> None:
    predictors, labels = training_set()
    rng = np.random.default_rng(0)
    rare = np.where(labels == 2, UNLABELLED, labels).astype(np.int32)
    trees = grow_trees(predictors, rare, n_classes=3, trees=5, rows_per_tree=4096, rng=rng)
    p, _ = probabilities(trees, predictors)
    assert (p[:, 2] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(0, 99), st.integers(1, 80))
def test_the_flat_forest_says_what_the_trees_say(trees: int, seed: int, rows: int) -> None:
    forest = grown(trees, seed)
    predictors = 2 * np.random.default_rng(seed).normal(size=(rows, P)).astype(np.float32)
    expected = np.mean([tree.probabilities(predictors) for tree in forest], axis=0)
    arrays = forest_arrays(flatten(forest))
    again = forest_from_arrays(arrays, n_predictors=P, n_classes=3)
    np.testing.assert_allclose(again.probabilities(predictors), expected, atol=1e-12)


def test_the_flat_forest_follows_many_clusters_in_portions(monkeypatch) -> None:
    forest = flatten(grown(10))
    predictors, _ = training_set()
    whole = forest.probabilities(predictors)
    monkeypatch.setattr("survey.classes.methods.forest_arrays.PLACES_AT_ONCE", 70)
    np.testing.assert_array_equal(forest.probabilities(predictors), whole)
    assert forest.probabilities(predictors[:0]).shape == (0, 3)


def test_balanced_trees_see_rare_classes_as_often_as_others() -> None:
    predictors, labels = training_set()
    rare = labels.copy()
    rare[np.flatnonzero(labels == 2)[3:]] = UNLABELLED
    for balanced in (False, True):
        trees = grow_trees(
            predictors, rare, n_classes=3, trees=50, rows_per_tree=4096,
            rng=np.random.default_rng(0), balanced=balanced,
        )  # fmt: skip
        share = np.mean([(rare[tree.rows] == 2).mean() for tree in trees])
        assert (abs(share - 1 / 3) < 0.03) == balanced


def test_smoothing_makes_smoother_probabilities() -> None:
    predictors, labels = training_set()
    few = np.where(np.arange(N) < 20, labels, UNLABELLED).astype(np.int32)

    def p(smoothing: float) -> np.ndarray:
        trees = grow_trees(
            predictors, few, n_classes=3, trees=100, rows_per_tree=4096,
            rng=np.random.default_rng(0), balanced=True, smoothing=smoothing,
        )  # fmt: skip
        return probabilities(trees, predictors)[0]

    changes = [np.abs(p(smoothing)[:20] - np.eye(3)[few[:20]]).mean() for smoothing in (0.0, 0.8)]
    assert changes[1] > 1.5 * changes[0]
