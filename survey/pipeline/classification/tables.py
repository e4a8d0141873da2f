"""Rows of the tables that a classification adds to the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from catalogs.class_columns import OF_SAMPLE
from catalogs.flags import ClusterFlag
from catalogs.reference import Reference
from catalogs.survey_parts import SurveyPart
from survey.classes.diagrams import Contour, Diagram
from survey.classes.results import Classes, Outcome
from survey.classes.scores import Score
from survey.classes.shares import class_shares
from survey.classes.training import Importances
from survey.classes.types import UNLABELLED, Floats
from survey.pipeline.classification.sample import LIGHT

N_PLANES = 4
"""Number of the most important ratios that are drawn against the first of the set."""


def class_rows(
    rows: pd.DataFrame, found: Classes, forest: Classes, classes: Sequence[str]
) -> pd.DataFrame:
    """The columns of the table `classes` that follow from probabilities alone."""
    names = np.array([*classes, None], dtype=object)
    table = rows[["galaxy", "cluster"]].copy()
    table["class"] = names[found.label]
    table["class_rf"] = names[forest.label]
    table["margin"] = found.margin
    for k, name in enumerate(classes):
        table[f"p_{name}"], table[f"p_{name}_err"] = found.p[:, k], found.p_std[:, k]
        table[f"p_rf_{name}"], table[f"p_rf_{name}_err"] = forest.p[:, k], forest.p_std[:, k]
    table["light"], shares = _light_and_shares(rows, found.p)
    for k, name in enumerate(classes):
        table[f"share_{name}"] = shares[:, k]
    table["flags"] = _flags(
        {
            ClusterFlag.UNCLASSIFIED: found.label == UNLABELLED,
            ClusterFlag.UNCERTAIN_CLASS: found.uncertain,
        }
    )
    return table


def _light_and_shares(rows: pd.DataFrame, p: Floats) -> tuple[Floats, Floats]:
    """Light (N,) of the clusters and shares (N, C) of the classes in it; NaN if not known."""
    total, shares = np.full(len(rows), np.nan), np.full(p.shape, np.nan)
    for where in rows.groupby("galaxy", sort=False).indices.values():
        by_cluster = where[np.argsort(rows["cluster"].to_numpy()[where])]
        parts = rows[LIGHT].iloc[by_cluster]
        if parts.notna().all():
            light = np.stack(list(parts))
            total[by_cluster] = light.sum(axis=1)
            shares[by_cluster] = class_shares(light, p[by_cluster])
    return total, shares


def trained_rows(rows: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """The table `classes` of a sample that methods were trained on."""
    names = np.array([*outcome.classes, None], dtype=object)
    table = class_rows(rows, outcome.found, outcome.forest, outcome.classes)
    table["label_initial"] = names[rows["label"]]
    table["label_coverage"] = rows["coverage"]
    table["reached"] = outcome.reached
    for k, name in enumerate(outcome.classes):
        table[f"p_rf_oob_{name}"] = outcome.p_forest_oob[:, k]
        table[f"p_held_out_{name}"] = outcome.p_held_out[:, k]
    table["flags"] |= _flags(
        {
            ClusterFlag.LABEL_OVERRULED: outcome.overruled,
            ClusterFlag.LABEL_CONFLICT: rows["conflict"].to_numpy(),
        }
    )
    return table


def importance_rows(outcome: Outcome) -> pd.DataFrame:
    """The table `importances`: by method, that of the classes first, the most important first."""
    tables = [
        _importances(outcome.predictors, name, found).sort_values(
            "importance", ascending=False, kind="stable"
        )
        for name, found in outcome.importances.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _importances(predictors: Sequence[str], method: str, found: Importances) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "method": method,
            "predictor": predictors,
            "importance": found.share,
            "importance_std": found.share_std,
            "permutation": found.permutation,
            "permutation_std": found.permutation_std,
            "coefficient": found.coefficient.T.tolist(),
            "coefficient_std": found.coefficient_std.T.tolist(),
        }
    )


def score_rows(outcome: Outcome) -> list[dict[str, Any]]:
    """The table `scores`: methods and ways of measuring side by side, that of the classes first."""
    return [
        {
            "method": method,
            "measured": measured,
            "class": name,
            "classes": " ".join(outcome.classes),
        }
        | _score_row(score, k)
        for (method, measured), score in outcome.scores.items()
        for k, name in enumerate(outcome.classes)
    ]


def score_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The scores in words, with the number of labels and what a guess would have."""
    lines = {}
    for row in rows:
        n = sum(
            other["n"]
            for other in rows
            if (other["method"], other["measured"]) == (row["method"], row["measured"])
        )
        value = row["balanced_accuracy"]
        if value is None or np.isnan(value):
            said = "not measured: labels of one class only" if n else "not measured"
        else:
            said = f"{value:.3f} (a majority guess: {row['balanced_majority']:.3f})"
        lines[row["method"], row["measured"]] = (
            f"balanced accuracy, {row['method']}, {row['measured']}, n = {n}: {said}"
        )
    return list(lines.values())


def _score_row(score: Score, k: int) -> dict[str, Any]:
    n = int(score.confusion[k].sum())
    return {
        "n": n,
        "recall": score.confusion[k, k] / n if n else np.nan,
        "accuracy": score.accuracy,
        "majority_accuracy": score.majority_accuracy,
        "balanced_accuracy": score.balanced_accuracy,
        "balanced_majority": score.balanced_majority,
        "brier": score.brier,
        "calibration_error": score.calibration_error,
        "confusion": score.confusion[k].tolist(),
        "reliability_p": score.reliability_p[k].tolist(),
        "reliability_fraction": score.reliability_fraction[k].tolist(),
        "reliability_count": score.reliability_count[k].tolist(),
    }


def diagram_rows(diagrams: Sequence[Diagram], origin: str) -> list[dict[str, Any]]:
    """Rows of the table `diagrams`; `origin` says whose contours they are."""
    rows = []
    for diagram in diagrams:
        rings: dict[tuple[str, float], int] = {}
        for contour in diagram.contours:
            place = contour.class_name, contour.level
            rings[place] = rings.get(place, 0) + 1
            rows.append(
                {"origin": origin, "x_ratio": diagram.x, "y_ratio": diagram.y}
                | {"class": contour.class_name, "level": contour.level, "ring": rings[place]}
                | {"x": contour.x.tolist(), "y": contour.y.tolist()}
            )
    return rows


def diagrams_of(classification: SurveyPart) -> tuple[Diagram, ...]:
    """The diagrams of the sample itself, from the rows that `diagram_rows` made."""
    rows = classification.table("diagrams").to_pylist()
    return tuple(
        Diagram(
            x,
            y,
            tuple(
                Contour(row["class"], row["level"], np.array(row["x"]), np.array(row["y"]))
                for row in rows
                if (row["origin"], row["x_ratio"], row["y_ratio"]) == (OF_SAMPLE, x, y)
            ),
        )
        for x, y in classification.summary["planes"]
    )


def planes_of(
    ratios: Sequence[str], by_importance: Sequence[str], reference: Reference
) -> tuple[tuple[str, str], ...]:
    """The planes (x, y) in which classes are drawn.

    Those with demarcation lines; if there are none, the most important ratios against the first of
    the set.
    """
    first, *others = ratios
    ranked = list(dict.fromkeys([*(name for name in by_importance if name in others), *others]))
    demarcated = {(line.x, line.y): None for line in reference.demarcations}
    known = [plane for plane in demarcated if set(plane) <= set(ratios)]
    return tuple(known or [(first, name) for name in ranked[:N_PLANES]])


def _flags(conditions: dict[ClusterFlag, Any]) -> Any:
    return sum(np.where(holds, int(flag), 0) for flag, holds in conditions.items())
