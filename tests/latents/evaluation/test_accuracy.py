"""A cross-validation that learns nothing of a source it is tested on."""

import numpy as np
import pytest

from survey.errors import ConfigError
from tests.benchmarks.latents.accuracy import balanced_accuracy


def test_copies_of_a_source_in_training_and_test_are_not_counted_as_knowledge() -> None:
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(40, 3)), 6, axis=0)
    sources = np.repeat([f"s{i}" for i in range(40)], 6)
    classes = np.repeat(rng.choice(["a", "b"], 40), 6)

    def score(groups: np.ndarray) -> float:
        return balanced_accuracy(
            features, classes, groups, classifier="forest", folds=3, seeds=(0,)
        ).mean

    assert score(np.arange(240).astype(str)) > 0.9
    assert score(sources) < 0.65


def test_a_class_of_few_sources_cannot_be_cross_validated() -> None:
    classes = np.array(["a"] * 20 + ["b"] * 3)
    with pytest.raises(ConfigError, match="class b"):
        balanced_accuracy(np.zeros((23, 2)), classes, np.arange(23).astype(str))
