"""The whole survey: one task per galaxy, and a catalog that is published as they end.

The driver sends paths and settings and gets small reports back; spectra never travel. Only the
driver publishes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogs import SCHEMA_VERSION
from catalogs.places.addresses import local_path
from survey import __version__
from survey.config import Settings, fingerprint
from survey.cubes.scratch import sweep_scratch
from survey.engine.cluster import Cluster, started, warnings_heard, warnings_of
from survey.engine.drain import Drain
from survey.errors import ConfigError
from survey.loading import loading
from survey.machine_faults import machine_error, patiently
from survey.pipeline.galaxy.failures import failure_row
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyReport, GalaxyTask, process_galaxy
from survey.pipeline.leftovers import sweep_leftovers
from survey.pipeline.reference import (
    SETTINGS_FILE,
    keep_tables,
    reference_of,
    relative_tables,
    run_vocabulary,
)
from survey.pipeline.run.earlier_results import record_versions
from survey.pipeline.run.finished import FinishedGalaxies
from survey.pipeline.run.ledger import COMPLETE, INTERRUPTED, Ledger
from survey.pipeline.run.lock import exclusive
from survey.pipeline.run.publisher import PeriodicPublisher, repaired
from survey.pipeline.run.records.run_log import RunLog, sweep_logs
from survey.pipeline.run.records.totals import Totals
from survey.pipeline.run.settings_file import write_settings
from survey.pipeline.run.targets import TARGETS_FILE, write_targets

if TYPE_CHECKING:
    from survey.pipeline.run.schedule import Demand

HEADERS_AT_A_TIME = 16
logger = logging.getLogger(__name__)


@dataclass
class Results:
    """The reports of the galaxies of a run so far."""

    reports: dict[str, GalaxyReport] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        """How many galaxies ended as "computed", "reused" or "quarantined"."""
        return sum(report.outcome == outcome for report in self.reports.values())

    @property
    def parts(self) -> list[Path]:
        """Folders of the committed parts."""
        return [report.part for report in self.reports.values() if report.part is not None]

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Rows of the table `quarantine`."""
        return [r.failure for r in self.reports.values() if r.failure is not None]


def run_survey(
    root: str | Path,
    targets: Sequence[Target],
    settings: Settings,
    cluster: Cluster,
    *,
    draw: Callable[[Path, str, str], None] | None = None,
    on_report: Callable[[GalaxyReport], None] = lambda report: None,
    on_plan: Callable[[Mapping[str, float]], None] = lambda projected_s: None,
    drain: Drain | None = None,
    verify_inputs: bool = False,
) -> Results:
    """Process all targets on a cluster and publish the catalog in `root`.

    Galaxies that already have results from the same files and settings are not computed
    again. Those that fail are quarantined. Large galaxies are started first.

    Parameters
    ----------
    root : str or Path
        The run directory, which is created if it does not exist.
    targets : sequence of Target
    settings : Settings
    cluster : Cluster
        A `LazyCluster`, or a `distributed.Client`.
    draw : callable, optional
        Draws the figures of one galaxy, on the worker.
    on_report : callable
        Called with the report of every galaxy that ends.
    on_plan : callable
        Called with the projected seconds of the galaxies that are to be computed, before these.
    drain : Drain, optional
        A request to stop: galaxies under way get ``engine.drain_s`` seconds.
    verify_inputs : bool
        Whether to read and hash all input files, also those that seem to be unchanged.

    Raises
    ------
    ConfigError
        If there are no targets, or another run is active in `root`.
    InfrastructureError
        If the cluster is lost, its workers keep dying, every galaxy fails, or the run was asked to
        stop. Galaxies finished by then are published.
    MachineError
        If a disk or file system failed for longer than ``engine.patience_s``.
    """
    root = local_path(root).resolve()
    if not targets:
        raise ConfigError("the survey has no targets")
    warn = warnings_of(cluster)
    write = partial(patiently, patience_s=settings.engine.patience_s, warn=warn, place=root)
    with ExitStack() as stack:
        ownership = write(lambda: stack.enter_context(exclusive(root)))
        reference = reference_of(settings.tables)
        write(sweep_leftovers, root)
        sweep_scratch(root)
        tables = write(keep_tables, settings.tables, root)
        settings = settings.model_copy(update={"tables": tables})
        write(write_targets, targets, root / TARGETS_FILE)
        write(write_run_record, root, settings)
        write(record_versions, root)
        ledger, results = write(Ledger, root), Results()
        write(ledger.begin, len(targets))
        sweep_logs(root)
        log, totals = stack.enter_context(RunLog(root).open()), Totals()
        stack.enter_context(warnings_heard(cluster, log.warning))
        log.begin(len(targets), _fingerprint(settings))
        if (repair := write(repaired, root)) is not None:
            write(ledger.note, str(repair))
        finished = FinishedGalaxies(root, trusted=not verify_inputs)
        tasks = [
            GalaxyTask(target, settings, root, draw, finished.known(target)) for target in targets
        ]
        metadata = {
            "survey_version": __version__,
            "settings_fingerprint": _fingerprint(settings),
        }
        catalog = PeriodicPublisher(
            root,
            metadata,
            run_vocabulary(reference, settings),
            damaged=repair is not None and not repair.published,
        )

        def planned(projected_s: Mapping[str, float]) -> None:
            write(ledger.plan, dict(projected_s))
            on_plan(projected_s)

        try:
            for report in _reports(tasks, cluster, finished, drain, warn, planned, totals):
                ownership.check()
                results.reports[report.galaxy] = report
                write(ledger.galaxy, report)
                log.galaxy(report)
                totals.add(report)
                write(finished.record, report)
                on_report(report)
                if catalog.is_due:
                    with _next_time_again(warn):
                        catalog.grow(results.parts, results.failures)
            ownership.check()
            write(lambda: catalog.finish(results.parts, results.failures, complete=True))
            write(ledger.end, COMPLETE)
            log.end(COMPLETE)
        except BaseException as error:
            log.end(INTERRUPTED, error)
            ownership.check()  # Whoever has taken over publishes.
            # The disk may be full, or the user in a hurry: one attempt.
            with _next_time_again(warn):
                catalog.finish(results.parts, results.failures, complete=False)
            with _next_time_again(warn):
                ledger.end(INTERRUPTED)
            raise
        # No galaxy is under way: what workers left that were killed in this run goes, too.
        with _next_time_again(warn):
            sweep_leftovers(root)
        sweep_scratch(root)
    return results


@contextmanager
def _next_time_again(warn: Callable[[str], None]) -> Iterator[None]:
    """Only warn if a disk or file system fails: what could not be written is written later."""
    try:
        yield
    except Exception as error:
        fault = machine_error(error)
        if fault is None:
            raise
        warn(f"{fault}")


def _reports(
    tasks: Sequence[GalaxyTask],
    cluster: Cluster,
    finished: FinishedGalaxies,
    drain: Drain | None,
    warn: Callable[[str], None],
    planned: Callable[[Mapping[str, float]], None],
    totals: Totals,
) -> Iterator[GalaxyReport]:
    """Reports of all galaxies: of those that are finished, and of others as they end."""
    unfinished = []
    for task in tasks:
        if (report := finished.report(task)) is None:
            unfinished.append(task)
        else:
            yield report
    if not unfinished:
        return  # A lazy cluster is not even started, nor is Dask loaded.
    with loading():
        from survey.pipeline.run.live import live_state
        from survey.pipeline.run.schedule import run_on_workers, start_for

    engine = tasks[0].settings.engine
    if len(unfinished) > engine.workers:
        # Headers of many take their time, in which workers of a queue may arrive.
        patiently(started, cluster, patience_s=engine.patience_s, warn=warn)
    demands = _demands(unfinished)
    start_for(demands, cluster, engine, warn=warn)
    planned({name: demand.seconds for name, demand in demands.items()})
    root = tasks[0].root
    with live_state(root, cluster, totals) as has_ended:
        outcomes = run_on_workers(
            cluster,
            process_galaxy,
            unfinished,
            demands,
            root,
            engine,
            warn=warn,
            drain=drain,
            span=root.name,
        )
        for ended in outcomes:
            name = ended.task.name
            has_ended(name)
            report = ended.result or GalaxyReport(
                name, 0.0, failure=failure_row(name, "engine", _error(ended.error))
            )
            report = replace(report, worker=ended.worker, host=ended.host)
            if report.failure is not None:
                place = {"attempts": ended.attempts, "worker": ended.worker, "host": ended.host}
                report = replace(report, failure=report.failure | place)
            yield report


def _demands(tasks: Sequence[GalaxyTask]) -> dict[str, Demand]:
    """Projected demand of every galaxy; headers may be on other machines, which take their time."""
    from survey.pipeline.run.schedule import projected_demand

    with ThreadPoolExecutor(HEADERS_AT_A_TIME) as pool:
        demands = pool.map(lambda task: projected_demand(task.target, task.settings), tasks)
        return {task.target.galaxy: demand for task, demand in zip(tasks, demands, strict=True)}


def _fingerprint(settings: Settings) -> str:
    """Fingerprint of the settings that change results of galaxies, and of the tables' content."""
    without = {"engine", "report", "targets", "classes", "tables"}
    results = settings.model_dump(mode="json", exclude=without)
    return fingerprint(results, reference_of(settings.tables).digest)


def write_run_record(root: Path, settings: Settings) -> None:
    """Write RUN/survey.toml, the settings of a run."""
    tables = relative_tables(settings.tables, root)
    resolved = settings.model_copy(update={"targets": TARGETS_FILE, "tables": tables})
    write_settings(
        resolved,
        root / SETTINGS_FILE,
        comments=[
            f"Settings of this run, as resolved by spaxel-survey {__version__}",
            f"catalog schema {SCHEMA_VERSION}",
            f"fingerprint {_fingerprint(settings)}",
        ],
    )


def _error(error: BaseException | None) -> BaseException:
    return error if error is not None else RuntimeError("the task returned nothing")
