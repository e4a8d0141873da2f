"""The tracers of a run: a task per galaxy, then the tables `tracers` and `tracer_clusters`.

What a tracer says of a galaxy is a part of its own, with a key of all it depends on, so that only
what is missing is computed. The tables are those of the last file of tracers; without one they stay
as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from catalogs import SCHEMA_VERSION, open_catalog
from catalogs.parts import PartStore, Receipt
from catalogs.publish import publish_again
from catalogs.survey_parts import (
    TRACED,
    TRACERS,
    SurveyPart,
    commit_survey_part,
    find_survey_part,
)
from catalogs.validation.tracer_columns import CLUSTERS, FAILED, OUTCOMES
from survey.config import Settings, fingerprint
from survey.config.near_misses import nearest_names
from survey.config.tracers import TracerSettings
from survey.cubes.files.cube_file import CubeFile
from survey.engine.cluster import Cluster, warnings_of
from survey.engine.drain import Drain
from survey.errors import DataError, IntegrityError, SurveyError
from survey.machine_faults import patiently
from survey.pipeline.galaxy.tables import write_table
from survey.pipeline.run.publisher import working_in
from survey.pipeline.run.schedule import Demand, run_on_workers
from survey.pipeline.validation.run import parts_to_validate
from survey.pipeline.validation.trace_task import (
    CODE_VERSION,
    Draw,
    TraceReport,
    TracerInput,
    TraceTask,
    draw_picture,
    read_rows,
    trace_galaxy,
    traced_key,
)

SECONDS_OF_A_TRACER = 3.0


@dataclass(frozen=True)
class TracedRun:
    """Published tracers.

    `counts` are the comparisons by outcome, `reports` those of the galaxies, `part` is the survey
    part.
    """

    counts: dict[str, int]
    reports: tuple[TraceReport, ...]
    part: SurveyPart

    @property
    def failures(self) -> dict[str, dict[str, str]]:
        """Why tracers say nothing, by galaxy and tracer."""
        return {one.galaxy: one.failures for one in self.reports if one.failures}


def measure_tracers(
    root: str | Path,
    tracers: Mapping[str, TracerSettings],
    folder: Path,
    settings: Settings,
    cluster: Cluster,
    *,
    draw: Draw | None = None,
    on_start: Callable[[int], None] = lambda n: None,
    on_report: Callable[[TraceReport], None] = lambda report: None,
    drain: Drain | None = None,
) -> TracedRun:
    """Compare the clusters of every galaxy with maps made without them, and publish the result.

    Parameters
    ----------
    root : str or Path
        The run directory.
    tracers : mapping of TracerSettings
        By name.
    folder : Path
        That their files are relative to.
    settings : Settings
        Of the run, see `survey.pipeline.validation.run.plan_validation`.
    cluster : Cluster
    draw : callable, optional
        Draws pictures.
    on_start : callable
        Called with the number of galaxies.
    on_report : callable
        Called with the report of every galaxy that ends.
    drain : Drain, optional
        A request to stop.

    Raises
    ------
    ConfigError
        If another run is active in `root`, or the catalog has no galaxy.
    InfrastructureError, MachineError
        As `survey.pipeline.run.survey.run_survey`. The tables stay as they were; what was measured
        by then is kept, and not measured again.
    """
    root = Path(root).resolve()
    reports: dict[str, TraceReport] = {}
    with working_in(root) as ownership:
        parts = parts_to_validate(root)
        wanted = _wanted(tracers, folder, root, parts)
        on_start(len(wanted))
        for report in _reports(root, wanted, parts, settings, cluster, draw, drain):
            ownership.check()
            reports[report.galaxy] = report
            on_report(report)
        ownership.check()
        part = patiently(
            _publish,
            root,
            tracers,
            parts,
            reports,
            patience_s=settings.engine.patience_s,
            warn=warnings_of(cluster),
            place=root,
        )
    rows = part.table("tracers").to_pylist()
    counts = Counter(row["outcome"] for row in rows)
    return TracedRun(
        {name: counts[name] for name in OUTCOMES if counts[name]}, tuple(reports.values()), part
    )


def _wanted(
    tracers: Mapping[str, TracerSettings], folder: Path, root: Path, parts: Mapping[str, Receipt]
) -> dict[str, tuple[list[TracerInput], dict[str, str]]]:
    """For every galaxy what is to be measured, and why other tracers say nothing of it."""
    wanted: dict[str, tuple[list[TracerInput], dict[str, str]]] = {}
    hashes: dict[CubeFile, str | SurveyError] = {}
    quarantined = set(open_catalog(root).quarantine["galaxy"])
    for name, tracer in tracers.items():
        for galaxy in tracer.named_galaxies() or parts:
            inputs, failures = wanted.setdefault(galaxy, ([], {}))
            if galaxy not in parts:
                failures[name] = _unknown(galaxy, quarantined, parts)
                continue
            try:
                file = CubeFile.of(tracer.file_of(galaxy), folder)
                if file not in hashes:
                    hashes[file] = _hash(file)
                found = hashes[file]
                if isinstance(found, SurveyError):
                    raise found
                inputs.append(
                    TracerInput(name, tracer, file, traced_key(parts[galaxy].key, tracer, found))
                )
            except SurveyError as error:
                failures[name] = str(error)
    return dict(sorted(wanted.items()))


def _unknown(galaxy: str, quarantined: set[str], parts: Mapping[str, Receipt]) -> str:
    if galaxy in quarantined:
        return f"the galaxy {galaxy!r} is in quarantine"
    near = nearest_names(galaxy, parts)
    meant = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    return f"the run has no galaxy {galaxy!r}{meant}"


def _hash(file: CubeFile) -> str | SurveyError:
    try:
        if file.local is not None and not file.local.is_file():
            return DataError("no such file", file=file.address)
        return file.content_hash()
    except SurveyError as error:
        return error
    except OSError as error:
        return DataError(f"the file cannot be read ({error.strerror})", file=file.address)


def _reports(
    root: Path,
    wanted: Mapping[str, tuple[list[TracerInput], dict[str, str]]],
    parts: Mapping[str, Receipt],
    settings: Settings,
    cluster: Cluster,
    draw: Draw | None,
    drain: Drain | None,
) -> Iterator[TraceReport]:
    """Reports of the galaxies of which nothing is missing, then of the others as they end."""
    store = PartStore(root)
    tasks = []
    for galaxy, (inputs, failures) in wanted.items():
        known = {one.tracer: one.key for one in inputs if _is_known(store, galaxy, one)}
        missing = tuple(one for one in inputs if one.tracer not in known)
        if missing:
            tasks.append(TraceTask(galaxy, parts[galaxy].key, root, tuple(inputs), draw))
            continue
        notes: list[str] = []
        if inputs:
            task = TraceTask(galaxy, parts[galaxy].key, root, tuple(inputs), draw)
            notes = [note for one in inputs for note in draw_picture(task, one)]
        yield TraceReport(galaxy, keys=known, failures=failures, computed=False, notes=tuple(notes))
    if not tasks:
        return
    demands = {task.galaxy: Demand(SECONDS_OF_A_TRACER * len(task.inputs)) for task in tasks}
    outcomes = run_on_workers(
        cluster,
        trace_galaxy,
        tasks,
        demands,
        root,
        settings.engine,
        warn=warnings_of(cluster),
        drain=drain,
    )
    for ended in outcomes:
        galaxy = ended.task.name
        inputs, failures = wanted[galaxy]
        if ended.result is not None:
            report: TraceReport = ended.result
            yield replace(report, failures=failures | report.failures)
        else:
            whole = {one.tracer: str(ended.error) for one in inputs}
            yield TraceReport(galaxy, failures=failures | whole)


def _is_known(store: PartStore, galaxy: str, one: TracerInput) -> bool:
    return store.find(galaxy, TRACED, one.key, full=True) is not None


def _publish(
    root: Path,
    tracers: Mapping[str, TracerSettings],
    parts: Mapping[str, Receipt],
    reports: Mapping[str, TraceReport],
) -> SurveyPart:
    """Publish what tracers say."""
    keys = {galaxy: part.key for galaxy, part in parts.items() if galaxy in reports}
    ordered = {galaxy: reports[galaxy] for galaxy in sorted(reports)}
    said = {galaxy: report.keys for galaxy, report in ordered.items()}
    failures = {galaxy: report.failures for galaxy, report in ordered.items()}
    described = {name: tracer.model_dump() for name, tracer in tracers.items()}
    key = fingerprint(keys, said, failures, described, CODE_VERSION, SCHEMA_VERSION)
    part = find_survey_part(TRACERS, root, key) or commit_survey_part(
        TRACERS,
        root,
        key,
        galaxies=keys,
        write=partial(_write, root, tracers, ordered),
        summary={TRACED: {galaxy: list(of.values()) for galaxy, of in said.items() if of}},
    )
    publish_again(root, part)
    return part


def _write(
    root: Path,
    tracers: Mapping[str, TracerSettings],
    reports: Mapping[str, TraceReport],
    folder: Path,
) -> None:
    store = PartStore(root)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TRACERS.tables}
    for galaxy, report in reports.items():
        for name, tracer in tracers.items():
            whose = {"galaxy": galaxy, "tracer": name}
            if name not in report.failures and name not in report.keys:
                continue
            common = whose | {"kind": tracer.kind, "file": tracer.file_of(galaxy)}
            if name in report.failures:
                failed = {"compared": CLUSTERS, "outcome": FAILED}
                rows["tracers"].append(common | failed | {"meaning": report.failures[name]})
            else:
                part = store.find(galaxy, TRACED, report.keys[name])
                if part is None:
                    raise IntegrityError(
                        f"what {name} says of {galaxy} is missing",
                        file=root,
                        advice="Validate again: what is missing is computed.",
                    )
                said = read_rows(part)
                rows["tracers"] += [common | row for row in said["tracers"]]
                rows["tracer_clusters"] += [whose | row for row in said["tracer_clusters"]]
    for name, found in rows.items():
        write_table(folder, name, found)
