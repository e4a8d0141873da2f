import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, confusion_matrix

from survey.classes.scores import RELIABILITY_BINS, score
from survey.classes.types import UNLABELLED


def drawn_with(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels of which each has the probability that is said."""
    return np.array([rng.choice(p.shape[1], p=row) for row in p], dtype=np.int32)


@given(
    arrays(np.float64, (30, 3), elements=st.floats(0.01, 1)),
    arrays(np.int32, 30, elements=st.integers(0, 2)),
)
def test_scores_are_those_of_scikit_learn(weights: np.ndarray, labels: np.ndarray) -> None:
    p = weights / weights.sum(axis=1, keepdims=True)
    found = score(p, labels)
    expected = confusion_matrix(labels, p.argmax(axis=1), labels=[0, 1, 2])
    np.testing.assert_array_equal(found.confusion, expected)
    assert found.brier == pytest.approx(((p - np.eye(3)[labels]) ** 2).sum(axis=1).mean())
    with np.errstate(invalid="ignore"):
        recall = np.diagonal(expected) / expected.sum(axis=1)
    if len(np.unique(labels)) > 1:
        assert found.balanced_accuracy == pytest.approx(np.nanmean(recall))
        assert found.accuracy == pytest.approx((p.argmax(axis=1) == labels).mean())
    assert found.reliability_count.sum() == 90


def test_two_classes_agree_with_scikit_learn_too() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(200)
    labels = (rng.random(200) > first).astype(np.int32)
    found = score(np.stack([first, 1 - first], axis=1), labels)
    assert found.balanced_accuracy == balanced_accuracy_score(labels, first < 0.5)
    assert found.brier == pytest.approx(2 * brier_score_loss(labels, 1 - first))


def test_honest_probabilities_lie_on_the_diagonal_of_the_reliability_curve() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 1, 1], size=20_000)
    honest = score(p, drawn_with(p, rng))
    assert honest.calibration_error < 0.015
    np.testing.assert_allclose(honest.reliability_p, honest.reliability_fraction, atol=0.1)
    sharpened = p**4 / (p**4).sum(axis=1, keepdims=True)
    assert score(sharpened, drawn_with(p, rng)).calibration_error > 0.1


def test_only_clusters_with_label_and_probabilities_count() -> None:
    p = np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, np.nan], [0.4, 0.6]])
    found = score(p, np.array([0, UNLABELLED, 1, 1], np.int32))
    assert found.n == 2
    assert found.confusion.tolist() == [[1, 0], [0, 1]]
    assert found.balanced_accuracy == 1.0


def test_labels_of_one_class_are_no_score_however_many_are_right() -> None:
    found = score(np.array([[0.9, 0.1], [0.8, 0.2]]), np.zeros(2, np.int32))
    assert (found.n, found.n_labelled_classes) == (2, 1)
    assert np.isnan([found.balanced_accuracy, found.accuracy, found.majority_accuracy]).all()
    assert np.isnan(found.balanced_majority)


def test_beside_a_score_stands_what_a_guess_would_have() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2], np.int32)
    guess = score(np.tile([1.0, 0.0, 0.0], (10, 1)), labels)
    assert guess.accuracy == guess.majority_accuracy == 0.6
    assert guess.balanced_accuracy == pytest.approx(guess.balanced_majority)


def test_without_anything_to_compare_there_is_no_score() -> None:
    found = score(np.full((3, 2), np.nan), np.zeros(3, np.int32))
    assert found.n == 0
    assert np.isnan([found.balanced_accuracy, found.brier, found.calibration_error]).all()
    assert found.reliability_p.shape == (2, RELIABILITY_BINS)
