"""Accuracy on galaxies that were not seen is above chance where there are classes, only there."""

import numpy as np
import pytest

from survey.classes.circularity import held_out
from survey.classes.methods.registry import FitOptions
from survey.classes.sample import LabelledSample
from survey.classes.types import UNLABELLED
from tests.classes.simulated import CLASSES, measured_sample

OPTIONS = FitOptions(trees=20, rows_per_tree=4096, seed=0)
LABELLED, _ = measured_sample(0, galaxy_scatter=0.25)


@pytest.mark.parametrize("method", ["logistic", "mixture"])
def test_real_classes_are_better_than_all_shuffles(method: str) -> None:
    found = held_out(LABELLED, method, OPTIONS, np.random.default_rng(0), shuffles=10)
    assert found.n == (LABELLED.labels != UNLABELLED).sum()
    assert len(found.shuffled) == 10
    assert found.accuracy > max(found.shuffled)


def test_labels_at_random_are_no_better_than_shuffles() -> None:
    rng = np.random.default_rng(1)
    known = LABELLED.labels != UNLABELLED
    labels = np.where(known, rng.integers(0, 3, len(known)), UNLABELLED).astype(np.int32)
    at_random = LabelledSample(LABELLED.sample, labels, CLASSES)
    found = held_out(at_random, "logistic", OPTIONS, rng, shuffles=20)
    assert found.accuracy < max(found.shuffled)


def test_labels_of_one_galaxy_leave_nothing_to_measure() -> None:
    alone, _ = measured_sample(0, galaxies=1)
    found = held_out(alone, "logistic", OPTIONS, np.random.default_rng(0))
    assert np.isnan(found.accuracy)
    assert found.shuffled == ()
