"""Rows of the table `validation`: answers of the galaxies with verdicts by the thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from catalogs.parts import PartStore, Receipt
from catalogs.survey_parts import ANSWERS
from catalogs.validation.columns import NOT_TESTABLE, VERDICT_QUESTION, WHOLE_GALAXY
from catalogs.validation.thresholds import Thresholds
from survey.errors import IntegrityError
from survey.pipeline.validation.task import read_answers
from survey.validation.answers import Answer
from survey.validation.verdicts import Judged, judge


def validation_rows(
    root: Path,
    part: Receipt,
    answers_key: str | None,
    failure: str | None,
    of_classes: list[Answer],
    thresholds: Thresholds,
) -> list[dict[str, Any]]:
    """The rows of one galaxy.

    Parameters
    ----------
    root : Path
        The run directory.
    part : Receipt
        The committed part of the galaxy.
    answers_key : str, optional
        Key of the part with its answers; None if there is none.
    failure : str, optional
        Why there is none.
    of_classes : list of Answer
        About the classes of all galaxies together.
    thresholds : Thresholds

    Raises
    ------
    IntegrityError
        If the part with the answers is gone.
    """
    galaxy = part.galaxy
    if answers_key is None:
        return [_not_validated(galaxy, failure)] if failure else []
    answers = PartStore(root).find(galaxy, ANSWERS, answers_key)
    if answers is None:
        raise IntegrityError(
            f"the answers about {galaxy} are missing",
            file=root,
            advice="Validate again: what is missing is computed.",
        )
    return [_row(galaxy, one) for one in judge([*read_answers(answers), *of_classes], thresholds)]


def _row(galaxy: str, one: Judged) -> dict[str, Any]:
    answer = one.answer
    known = answer.known_null
    return {
        "galaxy": galaxy,
        "question": answer.question,
        "variant": answer.variant,
        "cluster": answer.cluster,
        "measure": answer.measure,
        "value": answer.value,
        "error": answer.error,
        "null_median": answer.null_median,
        "null_low": min(known, default=np.nan),
        "null_high": max(known, default=np.nan),
        "n_null": len(known),
        "threshold": one.threshold,
        "verdict": one.verdict,
        "meaning": one.meaning,
    }


def _not_validated(galaxy: str, failure: str) -> dict[str, Any]:
    return {
        "galaxy": galaxy,
        "question": VERDICT_QUESTION,
        "variant": "galaxy",
        "cluster": WHOLE_GALAXY,
        "measure": "stability",
        "n_null": 0,
        "verdict": NOT_TESTABLE,
        "meaning": f"its validation failed: {failure}",
    }
