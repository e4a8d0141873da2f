"""What a run would compute, and why, before it is computed.

Keys, parts and stages are asked as a run asks them. The reasons are the differences between what
the latest part of a galaxy was made from, which its receipt tells, and what it would be made from
now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalogs.errors import CatalogError
from catalogs.parts import PartStore, Receipt
from survey.config import Settings
from survey.cubes.files.cube_file import CubeFile
from survey.errors import SurveyError
from survey.pipeline.galaxy.input_files import InputFile, unchanged
from survey.pipeline.galaxy.runner import LAST, GalaxyRunner, input_paths
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.finished import FinishedGalaxies
from survey.pipeline.run.plan import RunPlan

NAMES = tuple(stage.name for stage in STAGES)
NEW = "new"

MadeFrom = dict[str, dict[str, dict[str, Any]]]
"""By stage, kind ("settings", "depends_on", "code", "libraries") and name."""


@dataclass(frozen=True)
class GalaxyWork:
    """What a run would do for one galaxy.

    Attributes
    ----------
    galaxy : str
    stages : tuple of str
        Stages that would be computed, in order; none if it is finished.
    reasons : tuple of str
        Why.
    files_to_read : tuple of str
        Files that may have changed: the run reads them first. `stages` are those if they have not;
        if they have, all are.
    """

    galaxy: str
    stages: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    files_to_read: tuple[str, ...] = ()

    @property
    def is_finished(self) -> bool:
        """Whether nothing would be done."""
        return not self.stages and not self.files_to_read and not self.reasons


def work_to_do(plan: RunPlan) -> Iterator[GalaxyWork]:
    """What the run of a plan would do for each of its galaxies, in their order.

    Nothing is written. Files are read only if the plan says that inputs are verified.
    """
    root = plan.root.resolve()
    finished = FinishedGalaxies(root, trusted=not plan.verify_inputs)
    for target in plan.targets:
        known = finished.known(target)
        try:
            yield _work_on(target, plan.settings, root, known, read=plan.verify_inputs)
        except (SurveyError, OSError) as error:
            message = error.message if isinstance(error, SurveyError) else str(error)
            yield GalaxyWork(target.galaxy, (), (f"cannot be computed: {message}",))


def _work_on(
    target: Target, settings: Settings, root: Path, known: tuple[InputFile, ...], *, read: bool
) -> GalaxyWork:
    missing_file = next((file for file in target.files if not file.is_file()), None)
    if missing_file is not None:
        return GalaxyWork(target.galaxy, (), (f"cannot be computed: no such file: {missing_file}",))
    paths, earlier = input_paths(target, settings.read), _latest_part(root, target.galaxy)
    inputs = unchanged(paths, known)
    doubtful: tuple[str, ...] = ()
    if inputs is None and not read:
        doubtful = tuple(_doubts(paths, known))
        inputs = _as_if_unchanged(paths, known)
        if inputs is None:  # nothing is known of the content
            if earlier is None:
                return GalaxyWork(target.galaxy, NAMES, (NEW,))
            return GalaxyWork(target.galaxy, (), (), doubtful)
    runner = GalaxyRunner(target, settings, root, known=inputs or ())
    missing = tuple(runner.missing())
    if not missing:
        return GalaxyWork(target.galaxy, (), (), doubtful)
    reasons = tuple(_reasons(runner, missing, earlier))
    return GalaxyWork(target.galaxy, missing, reasons, doubtful)


def _doubts(paths: list[CubeFile], known: tuple[InputFile, ...]) -> Iterator[str]:
    by_path = {one.path: one for one in known}
    for path in paths:
        one = by_path.get(str(path))
        if one is None:
            yield f"{path}: no run has recorded what it was"
        elif (change := one.change()) is not None:
            yield f"{path}: it {change}"
        elif not one.settled:
            yield (
                f"{path}: it was written just before it was read"
                if one.is_local
                else f"{path}: it is not on a disk, and is asked for"
            )


def _as_if_unchanged(
    paths: list[CubeFile], known: tuple[InputFile, ...]
) -> tuple[InputFile, ...] | None:
    """The files as they are now, with the hashes that they had; None if some had none."""
    by_path = {one.path: one for one in known}
    if not all(str(path) in by_path for path in paths):
        return None
    return tuple(by_path[str(path)].as_it_is_now() for path in paths)


def _latest_part(root: Path, galaxy: str) -> Receipt | None:
    """The receipt of the part that was committed last, whatever its settings were."""
    folder = PartStore(root).path(galaxy, LAST, "").parent
    found = sorted(folder.glob(f"{LAST}-*"), key=lambda path: path.stat().st_mtime)
    for path in reversed(found):
        try:
            return Receipt.read(path)
        except CatalogError:
            continue
    return None


def _reasons(
    runner: GalaxyRunner, missing: tuple[str, ...], earlier: Receipt | None
) -> Iterator[str]:
    found = False
    for stage in STAGES:
        if stage.name in missing and stage.kept.is_part:
            damage = runner.parts.check(
                runner.target.galaxy, stage.name, runner.keys[stage.name], full=stage.name == LAST
            )
            if isinstance(damage, str):
                found = True
                yield f"damaged part {stage.name}-{runner.keys[stage.name]}: {damage}"
    if earlier is None:
        if not found:
            yield NEW
        return
    now = {stage.name: stage.made_from(runner.context) for stage in STAGES}
    before = earlier.summary.get("made_from")
    if before is None:
        yield "its part was made by an earlier version, which did not record from what"
        return
    changes = list(dict.fromkeys(differences(before, json.loads(json.dumps(now)))))
    yield from changes
    if not changes and not found:
        yield "results are missing"


def differences(before: MadeFrom, now: MadeFrom) -> Iterator[str]:
    """Name what differs between what two parts were made from."""
    for stage in STAGES:
        old, new = before.get(stage.name), now[stage.name]
        if old is None:
            yield f"new stage {stage.name}"
            continue
        for kind, describe in DESCRIBED.items():
            was, is_now = _flat(old.get(kind, {})), _flat(new.get(kind, {}))
            for name in sorted(was.keys() | is_now.keys()):
                if was.get(name) != is_now.get(name):
                    yield describe(stage.name, name, was.get(name), is_now.get(name))


def _describe_fact(stage: str, name: str, before: Any, now: Any) -> str:
    if name in ("content of the files", "reference tables", "tables of lines"):
        return f"changed {name}"
    return f"changed {name}: {_text(before)} -> {_text(now)}"


DESCRIBED: dict[str, Callable[[str, str, Any, Any], str]] = {
    "settings": lambda stage, name, before, now: (
        f"changed setting {name}: {_text(before)} -> {_text(now)}"
    ),
    "depends_on": _describe_fact,
    "code": lambda stage, name, before, now: (
        f"changed code of the stage {stage}: version {before} -> {now}"
    ),
    "libraries": lambda stage, name, before, now: (
        f"changed library {name}: {_text(before)} -> {_text(now)}"
    ),
}


def _text(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        below = value if isinstance(value, dict) else None
        flat |= _flat(below, f"{prefix}{name}.") if below else {f"{prefix}{name}": value}
    return flat
