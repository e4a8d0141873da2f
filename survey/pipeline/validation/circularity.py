"""Answers about the classes of a survey: they are of all galaxies together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from catalogs.parts import PartStore
from catalogs.survey_parts import CLASSES, SURVEY_WIDE, SurveyPart, current_survey_parts
from catalogs.validation.columns import CIRCULARITY_QUESTION
from survey.classes.circularity import HeldOut, held_out
from survey.classes.sample import LabelledSample
from survey.config import ClassSettings
from survey.errors import DataError
from survey.pipeline.classification.monte_carlo import fit_options
from survey.pipeline.classification.sample import labels_of, sample_of, sample_rows, used_in
from survey.validation.answers import Answer

MEASURE = "balanced accuracy"


def current_classes(root: Path) -> SurveyPart | None:
    """The classification in the catalog, if it was made from labels."""
    found = current_survey_parts(root).get(CLASSES.name)
    return found if found is not None and "labels" in found.summary else None


def circularity_answers(root: Path, classes: SurveyPart | None) -> list[Answer]:
    """Accuracy with galaxies held out, with and without the slope, against shuffled labels."""
    if classes is None:
        return [Answer(CIRCULARITY_QUESTION, "galaxies held out", MEASURE, np.nan)]
    (stage,) = CLASSES.made_of
    sample = PartStore(root).find(SURVEY_WIDE, stage, classes.summary["sample_key"])
    if sample is None:
        return [Answer(CIRCULARITY_QUESTION, "galaxies held out", MEASURE, np.nan)]
    settings = ClassSettings(**classes.summary["settings"])
    answers = []
    for name, use_slope in (
        ("galaxies held out", settings.use_slope),
        ("without the slope", False),
    ):
        found = _held_out(sample.path, settings, use_slope=use_slope)
        error = np.sqrt(found.accuracy * (1 - found.accuracy) / found.n) if found.n else np.nan
        answers.append(
            Answer(
                CIRCULARITY_QUESTION,
                f"{name}, {found.n} labelled clusters",
                MEASURE,
                found.accuracy,
                found.shuffled,
                error=float(error),
            )
        )
    return answers


def _held_out(sample: Path, settings: ClassSettings, *, use_slope: bool) -> HeldOut:
    rows = sample_rows(sample)
    try:
        labelled = LabelledSample(
            sample_of(rows, used_in(sample), use_slope=use_slope),
            labels_of(rows),
            settings.classes,
        )
        rng = np.random.default_rng(settings.seed)
        return held_out(labelled, settings.method, fit_options(settings), rng)
    except DataError:  # Without the slope nothing may be left to tell classes apart.
        return HeldOut(np.nan, (), 0)
