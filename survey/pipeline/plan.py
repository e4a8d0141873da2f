"""What a command line asks for: where the run lives, which galaxies it has, which settings."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalogs.diagnostics import ratio_sets
from catalogs.errors import CatalogError
from catalogs.reference import named_window
from survey.config import WHOLE_WINDOW, Settings, build_settings, load_settings
from survey.cubes.registry import reader_names
from survey.errors import ConfigError
from survey.pipeline.archive import SETTINGS_FILE, TARGETS_FILE
from survey.pipeline.labels import read_labels
from survey.pipeline.targets import Target, read_targets, targets_from_cubes

RUN_FOLDER = "run"


@dataclass(frozen=True)
class Plan:
    """A run that is ready to start; with `classify` it ends in a classification."""

    root: Path
    targets: list[Target]
    settings: Settings
    classify: bool = False


def plan_run(
    inputs: Sequence[Path],
    *,
    out: Path | None = None,
    redshift: float = math.nan,
    merge_bands: bool = False,
    classify: bool = True,
    overrides: dict[str, Any] | None = None,
) -> Plan:
    """Plan a run from one settings file, or from cubes.

    A settings file names its targets table, which is then the whole survey. Its run lives in
    `out`, by default in `run` beside the file, or where the file is when it is the record of
    a run. Cubes are added to the galaxies, and processed with the settings, of the run in
    `out`, if there is one. A run whose settings name labels ends in a classification, unless
    `classify` is False.

    Raises
    ------
    ConfigError
        If the inputs are neither, or settings, targets or labels are not valid. Nothing is
        written.
    DataError
        If the labels cannot be read.
    """
    plan = _plan(inputs, out, redshift, merge_bands, overrides or {})
    _refuse_unknown_names(plan.settings)
    if classify and plan.settings.classes.labels is not None:
        read_labels(plan.settings.classes.labels)
        return replace(plan, classify=True)
    return plan


def _plan(
    inputs: Sequence[Path],
    out: Path | None,
    redshift: float,
    merge_bands: bool,
    overrides: dict[str, Any],
) -> Plan:
    if len(inputs) == 1 and inputs[0].suffix == ".toml":
        file = inputs[0]
        settings = load_settings(file, overrides)
        if settings.targets is None:
            raise ConfigError('the settings name no targets table (targets = "...")', file=file)
        is_record = (file.parent / "parts").is_dir()
        root = out or (file.parent if is_record else file.parent / RUN_FOLDER)
        return Plan(
            root, read_targets(file.parent / settings.targets), _with_paths(settings, file.parent)
        )
    if any(file.suffix == ".toml" for file in inputs):
        raise ConfigError("give one settings file, or cubes, not both")
    for file in inputs:
        if not file.is_file():
            raise ConfigError("no such file", file=file, expected="FITS cubes or a settings file")
    root = out or Path(RUN_FOLDER)
    added = targets_from_cubes(inputs, redshift=redshift, merge_bands=merge_bands)
    known = read_targets(root / TARGETS_FILE) if (root / TARGETS_FILE).exists() else []
    names = {target.galaxy for target in added}
    targets = [target for target in known if target.galaxy not in names] + added
    record = root / SETTINGS_FILE
    goes_on = record.exists() and "preset" not in overrides
    settings = (
        load_settings(record, overrides)
        if goes_on
        else build_settings(overrides, source="command line")
    )
    named_here = "labels" in overrides.get("classes", {}) or not goes_on
    return Plan(root, targets, _with_paths(settings, Path.cwd() if named_here else root))


def plan_classification(
    root: Path,
    *,
    labels: Path | None = None,
    model: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> Settings:
    """Settings of a run for its classification; `labels` take precedence over theirs.

    Raises
    ------
    ConfigError
        If nothing ran in `root`, both labels and a model are given, or a setting that is not of
        the classification is to be changed.
    """
    overrides = overrides or {}
    if labels is not None and model is not None:
        raise ConfigError("a model is applied without labels: give one of the two")
    if foreign := sorted(set(overrides) - {"classes", "engine"}):
        raise ConfigError(
            "these settings are not of the classification",
            expected="classes or engine",
            found=", ".join(foreign),
            advice="Change them with `survey run`.",
        )
    record = root / SETTINGS_FILE
    if not record.exists():
        raise ConfigError("no survey has run in this directory", file=root)
    if labels is not None:
        overrides = {
            **overrides,
            "classes": {**overrides.get("classes", {}), "labels": str(labels)},
        }
        return _with_paths(load_settings(record, overrides), Path.cwd())
    return _with_paths(load_settings(record, overrides), root)


def _with_paths(settings: Settings, folder: Path) -> Settings:
    """The settings with the paths of labels, model and cluster, relative to `folder`, absolute."""
    changed: dict[str, Any] = {}
    if settings.classes.labels is not None:
        path = str((folder / settings.classes.labels).resolve())
        changed["classes"] = settings.classes.model_copy(update={"labels": path})
    if settings.engine.cluster is not None:
        path = str((folder / settings.engine.cluster).resolve())
        changed["engine"] = settings.engine.model_copy(update={"cluster": path})
    return settings.model_copy(update=changed)


def _refuse_unknown_names(settings: Settings) -> None:
    """Names in the settings that mean something only to a table or a list of ours."""
    window, reader = settings.prepare.window, settings.read.reader
    if isinstance(window, str) and window != WHOLE_WINDOW:
        try:
            named_window(window)
        except CatalogError as error:
            raise ConfigError(f"prepare.window: {error}") from None
    if settings.classes.ratios not in ratio_sets():
        raise ConfigError(
            "classes.ratios: no such set",
            expected=", ".join(ratio_sets()),
            found=settings.classes.ratios,
        )
    known = ("auto", *reader_names())
    if reader not in known:
        raise ConfigError("read.reader: no such reader", expected=", ".join(known), found=reader)


def parse_overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Turn `table.key=value` into nested settings; values are TOML, or else plain text.

    Raises
    ------
    ConfigError
        If an assignment has no "=".
    """
    nested: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(
                "a setting is given as table.key=value", found=assignment, expected="cut.k=6"
            )
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        *tables, key = path.strip().split(".")
        place = nested
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{table!r} is given both as a table and as a value")
        place[key] = value
    return nested
