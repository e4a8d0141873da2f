"""Probabilities of the classes of sources, from their latents and those of labelled ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold

from survey.latents.evaluation.labelled import UNKNOWN
from survey.latents.grid import Floats
from survey.latents.spectra import Names

TREES = 300
SMALLEST_LEAF = 3
FEWEST_OF_CLASS = 3
FOLDS = 5
DRAWS = 8
"""Latents are drawn so often within their errors, and the probabilities averaged."""


@dataclass(frozen=True, eq=False)
class ClassProbabilities:
    """Probabilities (n, c) of c classes for n sources.

    No classifier has seen the label of the source that it judges: those of labelled sources are
    by cross-validation. Classes of fewer than `FEWEST_OF_CLASS` sources are left out.
    """

    classes: tuple[str, ...]
    values: Floats


def class_probabilities(
    latents: Floats, errors: Floats, labels: Names, *, seed: int = 0
) -> ClassProbabilities | None:
    """Probabilities by a random forest in which all classes weigh the same.

    Parameters
    ----------
    latents, errors : array (n, k)
        One row for each source.
    labels : array (n,) of str
        "" where unknown.
    seed : int

    Returns
    -------
    ClassProbabilities or None
        None if there are not two classes to tell apart.
    """
    counted = Counter(labels.tolist())
    classes = tuple(
        sorted(name for name, n in counted.items() if name != UNKNOWN and n >= FEWEST_OF_CLASS)
    )
    if len(classes) < 2:
        return None
    rng = np.random.default_rng(seed)
    drawn = [latents + np.nan_to_num(errors) * rng.standard_normal(latents.shape)
             for _ in range(DRAWS)]  # fmt: skip
    known = np.flatnonzero(np.isin(labels, classes))
    values = np.zeros((len(latents), len(classes)))
    others = np.setdiff1d(np.arange(len(latents)), known)
    if len(others):
        values[others] = _predicted(latents[known], labels[known], drawn, others, classes, seed)
    folds = min(FOLDS, min(counted[name] for name in classes))
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(known, labels[known])
    for learned, judged in parts:
        here = known[judged]
        values[here] = _predicted(
            latents[known[learned]], labels[known[learned]], drawn, here, classes, seed
        )
    return ClassProbabilities(classes, values)


def _predicted(
    latents: Floats, labels: Names, drawn: list[Floats], rows: np.ndarray,
    classes: tuple[str, ...], seed: int,
) -> Floats:  # fmt: skip
    forest = RandomForestClassifier(
        TREES, min_samples_leaf=SMALLEST_LEAF, class_weight="balanced", random_state=seed
    ).fit(latents, [classes.index(name) for name in labels.tolist()])
    out = np.zeros((len(rows), len(classes)))
    out[:, forest.classes_] = np.mean([forest.predict_proba(one[rows]) for one in drawn], axis=0)
    return out
