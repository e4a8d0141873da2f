"""The whole survey: one task per galaxy, and a catalog that is published as they end.

The driver sends paths and settings and gets small reports back; spectra never travel. Only the
driver publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalogs import SCHEMA_VERSION
from survey import __version__
from survey.config import Settings, fingerprint
from survey.cubes.scratch import sweep_scratch
from survey.engine.cluster import Cluster, slots, started
from survey.engine.submit import Task, run_tasks
from survey.errors import ConfigError
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyReport, GalaxyTask, failure_row, process_galaxy
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
from survey.pipeline.run.schedule import projected_demand
from survey.pipeline.run.settings_file import write_settings
from survey.pipeline.run.targets import TARGETS_FILE, write_targets


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
    verify_inputs : bool
        Whether to read and hash all input files, also those that seem to be unchanged.

    Raises
    ------
    ConfigError
        If there are no targets, or another run is active in `root`.
    InfrastructureError
        If the cluster is lost. Galaxies finished by then are published.
    """
    root = Path(root).resolve()
    if not targets:
        raise ConfigError("the survey has no targets")
    with exclusive(root) as ownership:
        reference = reference_of(settings.tables)
        tables = keep_tables(settings.tables, root)
        settings = settings.model_copy(update={"tables": tables})
        write_targets(targets, root / TARGETS_FILE)
        write_run_record(root, settings)
        record_versions(root)
        sweep_leftovers(root)
        sweep_scratch(root)
        ledger, results = Ledger(root), Results()
        ledger.begin(len(targets))
        if (repair := repaired(root)) is not None:
            ledger.note(str(repair))
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
        outcome = INTERRUPTED
        try:
            for report in _reports(tasks, cluster, finished):
                ownership.check()
                results.reports[report.galaxy] = report
                ledger.galaxy(report)
                finished.record(report)
                on_report(report)
                if catalog.is_due:
                    catalog.grow(results.parts, results.failures)
            outcome = COMPLETE
        finally:
            ownership.check()  # Whoever has taken over publishes.
            catalog.finish(results.parts, results.failures, complete=outcome == COMPLETE)
            ledger.end(outcome)
    return results


def _reports(
    tasks: Sequence[GalaxyTask], cluster: Cluster, finished: FinishedGalaxies
) -> Iterator[GalaxyReport]:
    """Reports of all galaxies: of those that are finished, and of others as they end."""
    unfinished = []
    for task in tasks:
        if (report := finished.report(task)) is None:
            unfinished.append(task)
        else:
            yield report
    if not unfinished:
        return  # A lazy cluster is not even started.
    tasks = unfinished
    in_flight = slots(cluster) * tasks[0].settings.engine.in_flight_per_worker
    ordered = _largest_first(tasks)
    for ended in run_tasks(started(cluster), process_galaxy, ordered, window=in_flight):
        name = ended.task.name
        yield ended.result or GalaxyReport(
            name, 0.0, failure=failure_row(name, "engine", _error(ended.error))
        )


def _largest_first(tasks: Sequence[GalaxyTask]) -> list[Task]:
    """Tasks in the order in which they start."""
    demands = [projected_demand(task.target, task.settings) for task in tasks]
    order = sorted(range(len(tasks)), key=lambda i: demands[i].seconds, reverse=True)
    return [Task(tasks[i].target.galaxy, tasks[i], demands[i].memory_bytes) for i in order]


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
