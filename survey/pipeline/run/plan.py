"""The plan of a run: its directory, its galaxies and its settings, from a command line."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalogs.errors import CatalogError
from catalogs.places.addresses import local_path
from survey.config import WHOLE_WINDOW, Settings, build_settings, load_settings
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.files.input_file import is_regular
from survey.errors import ConfigError
from survey.pipeline.galaxy.target import Target
from survey.pipeline.reference import SETTINGS_FILE, absolute_tables, reference_of
from survey.pipeline.run.target_table import is_targets_table
from survey.pipeline.run.targets import TARGETS_FILE, read_targets, targets_from_cubes

AUTO = "auto"
"""What a tree path or a reader may be called: it is chosen galaxy by galaxy."""

RUN_FOLDER = "run"
POSSIBLE_INPUTS = "FITS cubes, a settings file or a table of targets"


@dataclass(frozen=True)
class RunPlan:
    """A run that is ready to start.

    If `classify` is true, it ends with a classification. If `verify_inputs` is true, all input
    files are read, also those that seem to be unchanged.
    """

    root: Path
    targets: list[Target]
    settings: Settings
    classify: bool = False
    verify_inputs: bool = False


def plan_run(
    inputs: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    redshift: float = math.nan,
    merge_bands: bool = False,
    classify: bool = True,
    verify_inputs: bool = False,
    overrides: dict[str, Any] | None = None,
) -> RunPlan:
    """Plan a run from one settings file, from one table of targets, or from cubes.

    A settings file names its targets table, which has all galaxies of the survey. The run directory
    is `out`, on a disk; by default it is `run` beside the file, or the folder of the file if the
    file is the record of a run. Cubes, paths or URLs, or the galaxies of a table are added to those
    of the run in `out`, if there is one, and processed with its settings. A run whose settings name
    labels ends with a classification, unless `classify` is false.

    Raises
    ------
    ConfigError
        If the inputs are neither, or settings or targets are not valid. Then nothing is written.
    """
    root = None if out is None else local_path(out)
    plan = _plan(inputs, root, redshift, merge_bands, overrides or {})
    refuse_unknown_names(plan.settings)
    if plan.root.exists() and not plan.root.is_dir():
        raise ConfigError(
            "a file of that name exists", file=plan.root, expected="a run directory, or a new name"
        )
    return replace(
        plan,
        classify=classify and plan.settings.classes.labels is not None,
        verify_inputs=verify_inputs,
    )


def _plan(
    inputs: Sequence[str | Path],
    out: Path | None,
    redshift: float,
    merge_bands: bool,
    overrides: dict[str, Any],
) -> RunPlan:
    files = [file for given in inputs if (file := CubeFile.of(given).local) is not None]
    if len(inputs) == 1 and files and files[0].suffix == ".toml":
        file = files[0]
        settings = load_settings(file, overrides)
        if settings.targets is None:
            raise ConfigError('the settings name no targets table (targets = "...")', file=file)
        is_record = (file.parent / "parts").is_dir()
        root = out or (file.parent if is_record else file.parent / RUN_FOLDER)
        targets = read_targets(file.parent / settings.targets)
        return RunPlan(root, targets, with_absolute_paths(settings, file.parent))
    if any(file.suffix == ".toml" for file in files):
        raise ConfigError("give either one settings file or cubes, not both")
    tables = [file for file in files if is_targets_table(file)]
    if tables and len(inputs) > 1:
        raise ConfigError("give either one table of targets or cubes, not both", file=tables[0])
    for cube in map(CubeFile.of, inputs):
        cube.check_package()
    _refuse_absent(files, alone=len(files) == len(inputs))
    root = out or Path(RUN_FOLDER)
    if tables:
        if not math.isnan(redshift) or merge_bands:
            raise ConfigError(
                "--redshift and --merge-bands are for cubes",
                file=tables[0],
                expected="redshifts, and the files of each galaxy, in the table of targets",
            )
        added = read_targets(tables[0])
    else:
        added = targets_from_cubes(inputs, redshift=redshift, merge_bands=merge_bands)
    known = read_targets(root / TARGETS_FILE) if (root / TARGETS_FILE).exists() else []
    names = {target.galaxy for target in added}
    targets = [target for target in known if target.galaxy not in names] + added
    record = root / SETTINGS_FILE
    continues = record.exists() and "preset" not in overrides
    settings = (
        load_settings(record, overrides)
        if continues
        else build_settings(overrides, source="command line")
    )
    named_here = "labels" in overrides.get("classes", {}) or not continues
    return RunPlan(root, targets, with_absolute_paths(settings, Path.cwd() if named_here else root))


def _refuse_absent(inputs: Sequence[Path], *, alone: bool) -> None:
    """Refuse names that nothing has, and folders alone; among cubes, they cost a galaxy each."""
    for file in inputs:
        if not os.path.lexists(file):
            from survey.config.near_misses import advice_for_missing

            raise ConfigError(
                "no such file", file=file,
                expected=POSSIBLE_INPUTS,
                advice=advice_for_missing(file),
            )  # fmt: skip
    for folder in inputs if alone else ():
        if (folder / SETTINGS_FILE).is_file():
            kind = "run" if (folder / "parts").is_dir() else "folder with settings"
            raise ConfigError(
                f"is a {kind}, not a cube", file=folder,
                advice=f"Did you mean {folder / SETTINGS_FILE}?",
            )  # fmt: skip
    if alone and not any(map(is_regular, inputs)):
        raise ConfigError(
            "no cube among the inputs",
            file=inputs[0] if inputs else None,
            expected=POSSIBLE_INPUTS,
            found="folders or devices",
        )


def recorded_settings(root: Path, overrides: Mapping[str, Any], what: str, *tables: str) -> Path:
    """The settings file of a run, of which only some tables can be overridden.

    Parameters
    ----------
    root : Path
        The run directory.
    overrides : mapping
        By table.
    what : str
        What the tables are of, in words.
    tables : str
        Those that can be overridden.

    Raises
    ------
    ConfigError
        If no survey has run in `root`, or `overrides` has other tables.
    """
    if foreign := sorted(set(overrides) - set(tables)):
        raise ConfigError(
            f"only settings of the {what} can be changed here",
            expected=" or ".join(tables),
            found=", ".join(foreign),
            advice="Change them with `survey run`.",
        )
    record = root / SETTINGS_FILE
    if not record.exists():
        raise ConfigError("no survey has run in this directory", file=root)
    return record


def with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    """The settings with absolute paths of labels, cluster file, star and your own tables.

    Paths in `settings` are relative to `folder`.
    """
    changed: dict[str, Any] = {"tables": absolute_tables(settings.tables, folder)}
    if settings.classes.labels is not None:
        path = str((folder / settings.classes.labels).resolve())
        changed["classes"] = settings.classes.model_copy(update={"labels": path})
    if settings.prepare.psf_star:
        star = tuple(str((folder / file).resolve()) for file in settings.prepare.psf_star)
        changed["prepare"] = settings.prepare.model_copy(update={"psf_star": star})
    if settings.engine.cluster is not None:
        path = str((folder / settings.engine.cluster).resolve())
        changed["engine"] = settings.engine.model_copy(update={"cluster": path})
    return settings.model_copy(update=changed)


def refuse_unknown_names(settings: Settings) -> None:
    """Check the names of tree path, window, set of ratios and reader."""
    if settings.linkage.path != AUTO:
        from survey.pipeline.galaxy.choose_tree_path import check_tree_path  # slow to load

        check_tree_path(settings.linkage)
    reference = reference_of(settings.tables)
    window, reader = settings.prepare.window, settings.read.reader
    if isinstance(window, str) and window != WHOLE_WINDOW:
        try:
            reference.window(window)
        except CatalogError as error:
            raise ConfigError(f"prepare.window: {error}") from None
    if settings.classes.ratios not in reference.ratio_sets:
        raise ConfigError(
            "classes.ratios: unknown set of ratios",
            expected=", ".join(reference.ratio_sets),
            found=settings.classes.ratios,
        )
    if reader == AUTO:
        return
    from survey.cubes.registry import reader_names  # slow to load

    known = (AUTO, *reader_names())
    if reader not in known:
        raise ConfigError("read.reader: unknown reader", expected=", ".join(known), found=reader)


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
                "--set needs table.key=value", found=assignment, expected="for example cut.k=6"
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
                raise ConfigError(f"--set: {table!r} is given both as a table and as a value")
        place[key] = value
    return nested
