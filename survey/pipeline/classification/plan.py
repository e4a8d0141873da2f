"""Settings of a classification from a command line, and checks before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from survey.config import Settings, load_settings
from survey.errors import ConfigError
from survey.pipeline.reference import reference_of
from survey.pipeline.run.plan import RunPlan, recorded_settings, with_absolute_paths


def check_labels_of(plan: RunPlan) -> None:
    """Read the labels of a run that will end with a classification, before it starts.

    Raises
    ------
    ConfigError, DataError
        If they cannot be read.
    """
    if plan.classify and plan.settings.classes.labels is not None:
        from survey.pipeline.classification.labels import read_labels  # slow to load

        read_labels(plan.settings.classes.labels, reference_of(plan.settings.tables))


def plan_classification(
    root: Path,
    *,
    labels: Path | None = None,
    model: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> Settings:
    """Settings of a run for its classification; `labels` override those in its record.

    Raises
    ------
    ConfigError
        If no survey has run in `root`, if both labels and a model are given, or if `overrides`
        has settings of other tables than classes and engine.
    """
    overrides = overrides or {}
    if labels is not None and model is not None:
        raise ConfigError("--labels and --model are both given: give one of them")
    record = recorded_settings(root, overrides, "classification", "classes", "engine")
    if labels is not None:
        overrides = {
            **overrides,
            "classes": {**overrides.get("classes", {}), "labels": str(labels)},
        }
        return with_absolute_paths(load_settings(record, overrides), Path.cwd())
    return with_absolute_paths(load_settings(record, overrides), root)
