"""Downstream tasks: classes, numbers, and nuisance quantities predicted from latents.

Each task is trained on the latents of some sources and scored on those of others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from survey.latents.evaluation.labelled import UNKNOWN
from survey.latents.grid import Floats
from survey.latents.spectra import Names

TREES = 200
SMALLEST_LEAF = 3
COMPONENTS_PER_CLASS = 3
REGULARISATION = 1e-3
FEWEST = 6
"""Spectra with a label, in training and in test, for a task to be meaningful."""


@dataclass(frozen=True)
class Finding:
    """One number: which task, about what, in which measure."""

    task: str
    target: str
    metric: str
    value: float


@dataclass(frozen=True)
class Halves:
    """Latents of the sources that are learned from, and of those that judge."""

    known: Floats
    new: Floats

    def of(self, known: Any, new: Any) -> Halves:
        """Some rows of each."""
        return Halves(self.known[known], self.new[new])


def supervised(
    latents: Halves, known: Names, new: Names, name: str, seed: int
) -> Iterator[Finding]:
    """Balanced accuracy of rules that learn from classes: a linear one and a forest."""
    task, rows = "supervised", _labelled(known, new)
    if rows is None:
        return
    some, known, new = latents.of(*rows), known[rows[0]], new[rows[1]]
    # As numbers: scikit-learn takes names like "47" for numbers in some places, not in others.
    _, codes = np.unique(np.concatenate([known, new]), return_inverse=True)
    learned, right = codes[: len(known)], codes[len(known) :]
    for rule_name, rule in _rules(seed).items():
        found = rule.fit(some.known, learned).predict(some.new)
        yield Finding(task, name, rule_name, float(balanced_accuracy_score(right, found)))


def _rules(seed: int) -> dict[str, Any]:
    return {
        "logistic": make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced")
        ),
        "forest": RandomForestClassifier(
            TREES, min_samples_leaf=SMALLEST_LEAF, class_weight="balanced", random_state=seed
        ),
    }


def unsupervised(
    latents: Halves, known: Names, new: Names, name: str, seed: int
) -> Iterator[Finding]:
    """Balanced accuracy of Gaussian mixtures, whose components vote.

    The mixture is fitted without classes; a component then stands for the classes of the known
    spectra in it, each class weighing the same.
    """
    rows = _labelled(known, new)
    if rows is None:
        return
    some, known, new = latents.of(*rows), known[rows[0]], new[rows[1]]
    classes = np.unique(known)
    components = max(1, min(COMPONENTS_PER_CLASS * len(classes), len(known) // 3))
    mixture = make_pipeline(
        StandardScaler(),
        GaussianMixture(
            components, reg_covar=REGULARISATION, n_init=2,
            max_iter=300, random_state=seed,
        ),
    ).fit(some.known)  # fmt: skip
    member = mixture.predict_proba(some.known)
    is_class = known[:, np.newaxis] == classes
    votes = member.T @ (is_class / is_class.sum(axis=0))
    votes /= np.maximum(votes.sum(axis=1, keepdims=True), 1e-300)
    found = classes[(mixture.predict_proba(some.new) @ votes).argmax(axis=1)]
    accuracy = float(balanced_accuracy_score(new, found))
    yield Finding("unsupervised", name, "mixture votes", accuracy)


def by_chance(known: Names, new: Names, name: str, how: str, seed: int) -> Iterator[Finding]:
    """Balanced accuracy of a rule that does not look: "majority" or "stratified"."""
    rows = _labelled(known, new)
    if rows is None:
        return
    known, new = known[rows[0]], new[rows[1]]
    strategy = {"majority": "most_frequent", "stratified": "stratified"}[how]
    rule = DummyClassifier(strategy=strategy, random_state=seed)
    found = rule.fit(np.zeros((len(known), 1)), known).predict(np.zeros((len(new), 1)))
    accuracy = float(balanced_accuracy_score(new, found))
    for metric in ("logistic", "forest"):
        yield Finding("supervised", name, metric, accuracy)
    yield Finding("unsupervised", name, "mixture votes", accuracy)


def regression(
    latents: Halves, known: Floats, new: Floats, name: str, seed: int, task: str = "regression"
) -> Iterator[Finding]:
    """Coefficient of determination and rank correlation of numbers predicted from latents."""
    rows = np.isfinite(known), np.isfinite(new)
    if min(np.sum(rows[0]), np.sum(rows[1])) < FEWEST:
        return
    some, known, new = latents.of(*rows), known[rows[0]], new[rows[1]]
    rules = {
        "linear": make_pipeline(StandardScaler(), Ridge()),
        "forest": RandomForestRegressor(
            TREES // 2, min_samples_leaf=SMALLEST_LEAF, random_state=seed
        ),
    }
    for rule_name, rule in rules.items():
        found = rule.fit(some.known, known).predict(some.new)
        yield Finding(task, name, f"R2, {rule_name}", float(r2_score(new, found)))
        rank = float(spearmanr(new, found).statistic)
        yield Finding(task, name, f"Spearman, {rule_name}", rank)


def shuffled_by_source(labels: Names, sources: Names, rng: np.random.Generator) -> Names:
    """Labels (n,) exchanged among sources, all spectra of a source getting the same one."""
    names, first, which = np.unique(sources, return_index=True, return_inverse=True)
    return np.asarray(labels[first][rng.permutation(len(names))][which])


def _labelled(known: Names, new: Names) -> tuple[Any, Any] | None:
    """Rows with a class that both sides have, or None if they are too few."""
    shared = list((set(known.tolist()) & set(new.tolist())) - {UNKNOWN})
    rows = np.isin(known, shared), np.isin(new, shared)
    enough = len(shared) > 1 and min(np.sum(rows[0]), np.sum(rows[1])) >= FEWEST
    return rows if enough else None
