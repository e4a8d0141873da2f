"""How well classes can be told from a few numbers per spectrum, without leakage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from survey.errors import ConfigError

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Score:
    """Balanced accuracy, mean and standard deviation over repetitions of a cross-validation."""

    mean: float
    std: float


def balanced_accuracy(
    features: Floats,
    classes: Names,
    groups: Names,
    *,
    classifier: Literal["logistic", "forest"] = "logistic",
    folds: int = 5,
    seeds: Sequence[int] = (0, 1, 2),
) -> Score:
    """Balanced accuracy of a classifier in cross-validation stratified by class.

    Rows of one group are never parted, so nothing is learnt from one detection of a source and
    tested on another. Classes weigh alike in training too. Missing features are replaced by
    their median.

    Parameters
    ----------
    features : array (n, k)
    classes, groups : array (n,) of str
    classifier : {"logistic", "forest"}
    folds : int
    seeds : sequence of int
        One repetition each.

    Raises
    ------
    ConfigError
        If a class has fewer groups than there are folds.
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    for name in np.unique(classes):
        if (number := len(np.unique(groups[classes == name]))) < folds:
            raise ConfigError(
                f"too few sources of class {name} for a cross-validation",
                expected=f"{folds} or more",
                found=str(number),
            )
    scores = []
    for seed in seeds:
        parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        predicted = cross_val_predict(
            _CLASSIFIERS[classifier](seed), features, classes, groups=groups, cv=parts
        )
        scores.append(balanced_accuracy_score(classes, predicted))
    return Score(float(np.mean(scores)), float(np.std(scores)))


def _logistic(seed: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        SimpleImputer(strategy="median"),
        StandardScaler(),
        LogisticRegression(class_weight="balanced", max_iter=1000, random_state=seed),
    )


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    # Leaves of single sources would learn the common classes by heart.
    forest = RandomForestClassifier(
        200, class_weight="balanced", min_samples_leaf=5, random_state=seed
    )
    return make_pipeline(SimpleImputer(strategy="median"), forest)


_CLASSIFIERS: dict[str, Callable[[int], Any]] = {"logistic": _logistic, "forest": _forest}
