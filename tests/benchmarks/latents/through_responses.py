"""Do latents mean the source, or the response that it was seen through?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score

from survey.errors import DataError
from survey.latents.evaluation.downstream_tasks import SMALLEST_LEAF, TREES, Finding
from survey.latents.evaluation.labelled import LabelledSpectra
from survey.latents.models.base import Representation
from survey.latents.spectra import Bools, Names, SpectrumSet

TASK = "responses"


def judge_responses(
    model: Representation, data: LabelledSpectra, known: Bools, sets: Sequence[SpectrumSet],
    seed: int,
) -> Iterator[Finding]:  # fmt: skip
    """Accuracy of classes by response, and how well latents tell the response.

    Classifiers learn from spectra that are each seen through one response, and are judged on other
    sources that are each seen through all of them.

    Parameters
    ----------
    model : Representation
        Fitted to the known spectra.
    data : LabelledSpectra
        With classes, and responses.
    known : array (n,) of bool
        Rows that are learned from.
    sets : sequence of SpectrumSet
        The same sources as those of `data`, each set through one response.
    seed : int

    Raises
    ------
    DataError
        If the spectra have no classes or responses.
    """
    spectra = data.spectra.rows(known)
    if data.classes is None or spectra.folding is None or spectra.response is None:
        raise DataError("responses are judged on spectra with classes and responses")
    learned, classes = model.transform(spectra), data.classes[known]
    names = np.array([spectra.folding.names[number] for number in spectra.response])
    class_of = dict(zip(data.spectra.sources.tolist(), data.classes.tolist(), strict=True))
    by_class, by_name = (_forest(seed).fit(learned, one) for one in (classes, names))
    accuracy, told, right = [], [], []
    for one in sets:
        judged = one.rows(~np.isin(one.sources, spectra.sources))
        latents = model.transform(judged)
        wanted = np.array([class_of[name] for name in judged.sources.tolist()])
        accuracy.append(float(balanced_accuracy_score(wanted, by_class.predict(latents))))
        told.append(by_name.predict(latents))
        right.append(np.full(len(judged), _name(one)))
    yield Finding(TASK, "classes", "accuracy, mean", float(np.mean(accuracy)))
    yield Finding(TASK, "classes", "largest less smallest", float(np.ptp(accuracy)))
    found = balanced_accuracy_score(np.concatenate(right), np.concatenate(told))
    yield Finding(TASK, "response", "told", float(found))
    yield Finding(TASK, "response", "chance", 1 / len(sets))


def _forest(seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(
        TREES, min_samples_leaf=SMALLEST_LEAF, class_weight="balanced", random_state=seed
    )


def _name(spectra: SpectrumSet) -> Names:
    assert spectra.folding is not None
    return np.str_(spectra.folding.names[0])  # type: ignore[return-value]
