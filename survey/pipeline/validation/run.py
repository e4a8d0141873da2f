"""The validation of a run: a task per galaxy, then one table with verdicts in the catalog.

Answers of a galaxy are a part of its own, with a key of all they depend on: a validation that was
interrupted goes on where it stopped. Thresholds come in only when the table is made, so that others
cost nothing. Only the driver publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from catalogs import SCHEMA_VERSION, open_catalog
from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, Receipt
from catalogs.publish import publish_again
from catalogs.survey_parts import (
    VALIDATION,
    SurveyPart,
    commit_survey_part,
    find_survey_part,
)
from catalogs.validation.columns import VERDICT_QUESTION, VERDICTS, WHOLE_GALAXY
from catalogs.validation.thresholds import Thresholds, packaged_thresholds
from survey.config import Settings, fingerprint, load_settings
from survey.engine.cluster import Cluster, warnings_of
from survey.engine.drain import Drain
from survey.errors import ConfigError
from survey.machine_faults import patiently
from survey.pipeline.classification.sample import parts_of
from survey.pipeline.galaxy.tables import write_table
from survey.pipeline.run.finished import FinishedGalaxies
from survey.pipeline.run.plan import recorded_settings, with_absolute_paths
from survey.pipeline.run.publisher import working_in
from survey.pipeline.run.schedule import Demand, run_on_workers
from survey.pipeline.run.targets import TARGETS_FILE, read_targets
from survey.pipeline.validation.circularity import circularity_answers, current_classes
from survey.pipeline.validation.tables import validation_rows
from survey.pipeline.validation.task import (
    ValidationReport,
    ValidationTask,
    find_answers,
    validate_galaxy,
)
from survey.validation.answers import Answer

CODE_VERSION = 2
"""Raised when code changes verdicts by the same answers and thresholds."""


@dataclass(frozen=True)
class Validated:
    """A published validation.

    `counts` are the galaxies by verdict, `reports` those of the galaxies, `part` the survey part.
    """

    counts: dict[str, int]
    reports: tuple[ValidationReport, ...]
    part: SurveyPart

    @property
    def failures(self) -> dict[str, str]:
        """Why galaxies have no answers, by galaxy."""
        return {one.galaxy: one.failure for one in self.reports if one.failure is not None}


def plan_validation(root: Path, overrides: dict[str, Any] | None = None) -> Settings:
    """Settings of a run for its validation; only those of the engine can be changed.

    Raises
    ------
    ConfigError
        If no survey has run in `root`, or `overrides` has other settings.
    """
    overrides = overrides or {}
    record = recorded_settings(root, overrides, "engine", "engine")
    return with_absolute_paths(load_settings(record, overrides), root)


def validate_run(
    root: str | Path,
    settings: Settings,
    cluster: Cluster,
    *,
    quick: bool = False,
    on_start: Callable[[int], None] = lambda n: None,
    on_report: Callable[[ValidationReport], None] = lambda report: None,
    drain: Drain | None = None,
) -> Validated:
    """Answer the questions about every galaxy in the catalog of a run, and publish verdicts.

    Parameters
    ----------
    root : str or Path
        The run directory.
    settings : Settings
        Of the run, see `plan_validation`.
    cluster : Cluster
    quick : bool
        Only questions that are cheap; galaxies that were validated in full keep those answers.
    on_start : callable
        Called with the number of galaxies.
    on_report : callable
        Called with the report of every galaxy that ends.
    drain : Drain, optional
        A request to stop.

    Raises
    ------
    ConfigError
        If another run is active in `root`.
    InfrastructureError, MachineError
        As `survey.pipeline.run.survey.run_survey`. What is answered by then is published.
    """
    root = Path(root).resolve()
    reports: dict[str, ValidationReport] = {}
    with working_in(root) as ownership:
        parts = parts_to_validate(root)
        on_start(len(parts))
        try:
            for report in _reports(root, settings, cluster, parts, quick, drain):
                ownership.check()
                reports[report.galaxy] = report
                on_report(report)
        except BaseException:
            ownership.check()
            if any(report.key for report in reports.values()):
                _publish(root, parts, reports)
            raise
        ownership.check()
        part = patiently(
            _publish,
            root,
            parts,
            reports,
            patience_s=settings.engine.patience_s,
            warn=warnings_of(cluster),
            place=root,
        )
    return Validated(_counts(part), tuple(reports.values()), part)


def parts_to_validate(root: Path) -> dict[str, Receipt]:
    """The parts of the galaxies in the catalog, by galaxy.

    Raises
    ------
    ConfigError
        If there is none.
    """
    parts = parts_of(open_catalog(root), PartStore(root))
    if not parts:
        raise ConfigError("the catalog has no galaxy to validate", file=root)
    return parts


def _reports(
    root: Path,
    settings: Settings,
    cluster: Cluster,
    parts: dict[str, Receipt],
    quick: bool,
    drain: Drain | None,
) -> Iterator[ValidationReport]:
    """Reports of the galaxies that have answers, then of the others as they end."""
    targets = {target.galaxy: target for target in read_targets(root / TARGETS_FILE)}
    finished = FinishedGalaxies(root)
    tasks = []
    for galaxy, part in parts.items():
        found = find_answers(root, galaxy, part.key, quick=quick)
        if found is not None:
            yield ValidationReport(galaxy, 0.0, found.key, computed=False)
        elif galaxy not in targets:
            why = f"{root / TARGETS_FILE} does not name it any more; run the survey again"
            yield ValidationReport(galaxy, 0.0, failure=why)
        else:
            target = targets[galaxy]
            tasks.append(
                ValidationTask(target, settings, root, part.key, quick, finished.known(target))
            )
    if not tasks:
        return
    demands = {task.target.galaxy: _demand(parts[task.target.galaxy]) for task in tasks}
    outcomes = run_on_workers(
        cluster,
        validate_galaxy,
        tasks,
        demands,
        root,
        settings.engine,
        warn=warnings_of(cluster),
        drain=drain,
    )
    for ended in outcomes:
        if ended.result is not None:
            yield ended.result
        else:
            yield ValidationReport(ended.task.name, 0.0, failure=str(ended.error))


def _demand(part: Receipt) -> Demand:
    """What the galaxy itself needed when it was computed."""
    peak = read_part_table(part, "galaxies")["peak_memory_bytes"][0].as_py()
    return Demand(float(sum(part.summary["seconds"].values())), float(peak or 0.0))


def _publish(
    root: Path, parts: dict[str, Receipt], reports: dict[str, ValidationReport]
) -> SurveyPart:
    """Publish the verdicts by the answers that there are."""
    thresholds = packaged_thresholds()
    keys = {galaxy: part.key for galaxy, part in parts.items()}
    answers = {galaxy: report.key for galaxy, report in reports.items() if report.key}
    failures = {
        galaxy: report.failure for galaxy, report in reports.items() if report.failure is not None
    }
    classes = current_classes(root)
    key = fingerprint(
        keys,
        answers,
        failures,
        thresholds.digest,
        "" if classes is None else classes.key,
        CODE_VERSION,
        SCHEMA_VERSION,
    )
    part = find_survey_part(VALIDATION, root, key)
    if part is None:
        of_classes = circularity_answers(root, classes)
        write = partial(_write, root, parts, answers, failures, of_classes, thresholds)
        part = commit_survey_part(
            VALIDATION,
            root,
            key,
            galaxies=keys,
            write=write,
            summary={"answers": answers, "thresholds": thresholds.digest},
        )
    publish_again(root, part)
    return part


def _write(
    root: Path,
    parts: dict[str, Receipt],
    answers: dict[str, str],
    failures: dict[str, str],
    of_classes: list[Answer],
    thresholds: Thresholds,
    folder: Path,
) -> None:
    rows = [
        row
        for galaxy, part in parts.items()
        for row in validation_rows(
            root, part, answers.get(galaxy), failures.get(galaxy), of_classes, thresholds
        )
    ]
    write_table(folder, VALIDATION.name, rows)


def _counts(part: SurveyPart) -> dict[str, int]:
    """Galaxies by verdict."""
    rows = part.table(VALIDATION.name).to_pylist()
    found = [
        row["verdict"]
        for row in rows
        if row["question"] == VERDICT_QUESTION and row["cluster"] == WHOLE_GALAXY
    ]
    return {verdict: found.count(verdict) for verdict in VERDICTS}
