"""What a command line asks for: where the run lives, which galaxies it has, which settings."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalogs.errors import CatalogError
from survey.config import WHOLE_WINDOW, Settings, build_settings, load_settings
from survey.cubes.registry import reader_names
from survey.errors import ConfigError
from survey.pipeline.galaxy.paths import check_path
from survey.pipeline.galaxy.target import Target
from survey.pipeline.reference import SETTINGS_FILE, absolute_tables, reference_of
from survey.pipeline.run.survey import TARGETS_FILE
from survey.pipeline.run.targets import read_targets, targets_from_cubes

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
        If the inputs are neither, or settings or targets are not valid. Nothing is written.
    """
    plan = _plan(inputs, out, redshift, merge_bands, overrides or {})
    _refuse_unknown_names(plan.settings)
    return replace(plan, classify=classify and plan.settings.classes.labels is not None)


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
        targets = read_targets(file.parent / settings.targets)
        return Plan(root, targets, with_absolute_paths(settings, file.parent))
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
    return Plan(root, targets, with_absolute_paths(settings, Path.cwd() if named_here else root))


def with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    """The settings with the paths of labels, model and cluster, relative to `folder`, absolute."""
    changed: dict[str, Any] = {"tables": absolute_tables(settings.tables, folder)}
    if settings.classes.labels is not None:
        path = str((folder / settings.classes.labels).resolve())
        changed["classes"] = settings.classes.model_copy(update={"labels": path})
    if settings.engine.cluster is not None:
        path = str((folder / settings.engine.cluster).resolve())
        changed["engine"] = settings.engine.model_copy(update={"cluster": path})
    return settings.model_copy(update=changed)


def _refuse_unknown_names(settings: Settings) -> None:
    """Names in the settings that mean something only to a table or a list of ours."""
    check_path(settings.linkage)
    reference = reference_of(settings.tables)
    window, reader = settings.prepare.window, settings.read.reader
    if isinstance(window, str) and window != WHOLE_WINDOW:
        try:
            reference.window(window)
        except CatalogError as error:
            raise ConfigError(f"prepare.window: {error}") from None
    if settings.classes.ratios not in reference.ratio_sets:
        raise ConfigError(
            "classes.ratios: no such set",
            expected=", ".join(reference.ratio_sets),
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
