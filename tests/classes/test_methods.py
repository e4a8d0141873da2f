"""What every method of classification must do."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from survey.classes.methods.logistic import fit_logistic, penalty_of
from survey.classes.methods.mixture import fit_mixture
from survey.classes.methods.registry import METHODS, Classifier, FitOptions, Forest, fit_forest
from survey.classes.training import scaled_predictors
from survey.classes.types import UNLABELLED
from tests.classes.simulated import measured_sample

OPTIONS = FitOptions(trees=60, rows_per_tree=4096, seed=3)
LABELLED, TRUTH = measured_sample(0)
_, VALUES = scaled_predictors(LABELLED)
N_CLASSES = len(LABELLED.classes)

all_methods = pytest.mark.parametrize("method", METHODS)


def fitted(method: str, labels: np.ndarray = LABELLED.labels) -> Classifier:
    return METHODS[method].fit(VALUES, labels, N_CLASSES, OPTIONS)


@all_methods
def test_probabilities_add_up_and_find_clusters_without_labels(method: str) -> None:
    p = fitted(method).probabilities(VALUES)
    assert p.shape == (len(VALUES), N_CLASSES)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    hidden = LABELLED.labels == UNLABELLED
    assert hidden.sum() > 20
    assert (p.argmax(axis=1) == TRUTH)[hidden].mean() > 0.85


@all_methods
def test_a_class_without_labels_has_no_probability(method: str) -> None:
    two = np.where(LABELLED.labels == 1, UNLABELLED, LABELLED.labels).astype(np.int32)
    p = fitted(method, two).probabilities(VALUES)
    assert (p[:, 1] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    known = two != UNLABELLED
    assert (p.argmax(axis=1) == two)[known].mean() > 0.9


@all_methods
def test_what_is_stored_gives_the_same_probabilities(method: str) -> None:
    ours = fitted(method)
    read = METHODS[method].read(ours.arrays(), n_predictors=VALUES.shape[1], n_classes=N_CLASSES)
    np.testing.assert_allclose(read.probabilities(VALUES), ours.probabilities(VALUES), atol=1e-12)
    np.testing.assert_array_equal(read.weights, ours.weights)


@all_methods
def test_arrays_of_something_else_are_refused(method: str) -> None:
    arrays = fitted(method).arrays()
    read = METHODS[method].read
    for wrong in ({"n_predictors": VALUES.shape[1] - 2, "n_classes": N_CLASSES},
                  {"n_predictors": VALUES.shape[1], "n_classes": N_CLASSES + 1}):  # fmt: skip
        with pytest.raises(ValueError, match=r"."):
            read(arrays, **wrong)
    shape = {"n_predictors": VALUES.shape[1], "n_classes": N_CLASSES}
    for name, values in arrays.items():
        if name == "importance":
            continue
        with pytest.raises(ValueError, match=r"."):
            read(arrays | {name: values * np.nan}, **shape)
        with pytest.raises(ValueError, match=r"."):
            read({key: value for key, value in arrays.items() if key != name}, **shape)


@all_methods
def test_a_predictor_that_is_noise_weighs_least(method: str) -> None:
    noise = np.random.default_rng(0).normal(size=len(VALUES)).astype(np.float32)
    with_noise = np.column_stack([VALUES, noise])
    weights = METHODS[method].fit(with_noise, TRUTH, N_CLASSES, OPTIONS).weights
    assert weights[-1] < 0.5 * np.median(weights[:-1])


def test_a_regression_is_that_of_scikit_learn_also_of_two_classes() -> None:
    for labels in (TRUTH, np.minimum(TRUTH, 1)):
        theirs = LogisticRegression(C=penalty_of(len(labels)), class_weight="balanced")
        theirs.fit(VALUES.astype(float), labels)
        n = labels.max() + 1
        ours = fit_logistic(VALUES, labels.astype(np.int32), n)
        np.testing.assert_allclose(
            ours.probabilities(VALUES), theirs.predict_proba(VALUES), atol=1e-6
        )


def test_the_fewer_labels_the_stronger_is_the_penalty_of_a_regression() -> None:
    assert [penalty_of(n) for n in (2, 40, 80, 1000)] == pytest.approx([0.3, 0.3, 0.6, 1.0])


def test_with_many_labels_the_gaussians_are_those_of_quadratic_discriminants() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 4000).astype(np.int32)
    values = rng.normal(size=(4000, 3)) * np.array([[2.0, 2, 2], [4, 2, 3]])[labels]
    values[labels == 1] += 1.0
    theirs = QuadraticDiscriminantAnalysis(priors=[0.5, 0.5]).fit(values, labels)
    ours = fit_mixture(values, labels, 2).probabilities(values)
    np.testing.assert_allclose(ours, theirs.predict_proba(values), atol=0.06)
    assert (ours.argmax(axis=1) == theirs.predict(values)).mean() > 0.98


def test_errors_make_a_gaussian_class_less_certain() -> None:
    mixture = fit_mixture(VALUES, TRUTH, N_CLASSES)
    sharp, blurred = (
        mixture.probabilities(VALUES, errors) for errors in (None, np.full(VALUES.shape, 2.0))
    )
    assert blurred.max(axis=1).mean() < sharp.max(axis=1).mean() - 0.2
    none = mixture.probabilities(VALUES, np.zeros(VALUES.shape))
    np.testing.assert_allclose(none, sharp)


def test_a_forest_knows_which_trees_have_not_seen_a_cluster() -> None:
    forest = fit_forest(VALUES, LABELLED.labels, N_CLASSES, OPTIONS)
    assert isinstance(forest, Forest)
    hidden = LABELLED.labels == UNLABELLED
    assert forest.unseen[hidden].all()
    p, out_of_bag = forest.probabilities(VALUES), forest.out_of_bag(VALUES)
    np.testing.assert_allclose(out_of_bag[hidden], p[hidden])
    rows = np.flatnonzero(~hidden)
    assert 0.25 < forest.unseen[rows].mean() < 0.5
    seen, unseen = (found[rows, LABELLED.labels[rows]] for found in (p, out_of_bag))
    assert seen.mean() > unseen.mean()
