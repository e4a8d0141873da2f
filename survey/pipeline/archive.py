"""The whole survey: one task per galaxy, the catalog published as they come in.

The driver sends out paths and settings and gets small reports back; spectra never travel. It
is the only one that publishes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from catalogs import SCHEMA_VERSION, open_catalog
from catalogs.classification import current_classification
from catalogs.errors import CatalogError
from catalogs.parts import PartStore
from catalogs.publish import publish
from survey import __version__
from survey.config import Settings, fingerprint
from survey.engine.cluster import Cluster, slots
from survey.engine.scratch import sweep_scratch
from survey.engine.submit import Task, run_tasks
from survey.errors import ConfigError
from survey.pipeline.ledger import Ledger
from survey.pipeline.settings_file import write_settings
from survey.pipeline.targets import Target, write_targets
from survey.pipeline.task import GalaxyReport, GalaxyTask, failure_row, process_galaxy

SETTINGS_FILE = "survey.toml"
TARGETS_FILE = "targets.ecsv"
PUBLISH_EVERY_S = 30.0
PUBLISH_SHARE = 0.05
"""The driver spends no more than this share of its time on catalogs of an unfinished run."""


@dataclass
class Results:
    """What is known of the galaxies of a run, so far."""

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
) -> Results:
    """Process all targets on a cluster and publish the catalog in `root`.

    Galaxies whose results are there already, from the same files and settings, are not
    computed again. Those that fail are quarantined. Large galaxies are started first.

    Parameters
    ----------
    root : str or Path
        The run directory; made if need be.
    targets : sequence of Target
    settings : Settings
    cluster : Cluster
        See `survey.engine.cluster.connect`.
    draw : callable, optional
        Makes the pictures of one galaxy, on the worker.
    on_report : callable
        Told of every galaxy that ends.

    Raises
    ------
    ConfigError
        If there is nothing to do, or another run is at work in `root`.
    InfrastructureError
        If the cluster is lost. What was finished by then is published.
    """
    root = Path(root).resolve()
    if not targets:
        raise ConfigError("the survey has no targets")
    with exclusive(root):
        write_targets(targets, root / TARGETS_FILE)
        describe_run(root, settings)
        PartStore(root).sweep_inflight()
        sweep_scratch(root)
        ledger, results = Ledger(root), Results()
        ledger.begin(len(targets))
        tasks = [
            Task(target.galaxy, GalaxyTask(target, settings, root, draw))
            for target in sorted(targets, key=_size, reverse=True)
        ]
        in_flight = slots(cluster) * settings.engine.in_flight_per_worker
        catalog = _GrowingCatalog(root, settings)
        outcome = "interrupted"
        try:
            for ended in run_tasks(cluster, process_galaxy, tasks, in_flight=in_flight):
                name = ended.task.name
                report = ended.result or GalaxyReport(
                    name, 0.0, failure=failure_row(name, "engine", _error(ended.error))
                )
                results.reports[name] = report
                ledger.galaxy(report)
                on_report(report)
                catalog.maybe_publish(results)
            outcome = "complete"
        finally:
            catalog.publish(results, final=outcome == "complete")
            ledger.end(outcome)
    return results


class _GrowingCatalog:
    """Publishes now and then while a run goes on, and never a catalog smaller than the last."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.metadata = {
            "survey_version": __version__,
            "settings_fingerprint": fingerprint(_results_settings(settings)),
        }
        self.published = _catalog_size(root)
        self.next_time = time.monotonic() + PUBLISH_EVERY_S

    def maybe_publish(self, results: Results) -> None:
        if time.monotonic() >= self.next_time:
            self.publish(results, final=False)

    def publish(self, results: Results, *, final: bool) -> None:
        if not final and len(results.parts) <= self.published:
            return
        start = time.monotonic()
        publish(
            self.root,
            results.parts,
            results.failures,
            metadata=self.metadata,
            classification=current_classification(self.root),
        )
        self.published = len(results.parts)
        now = time.monotonic()
        self.next_time = now + max(PUBLISH_EVERY_S, (now - start) / PUBLISH_SHARE)


def _catalog_size(root: Path) -> int:
    try:
        return len(open_catalog(root).galaxies)
    except CatalogError:
        return 0


def _results_settings(settings: Settings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude={"engine", "report", "targets", "classes"})


def describe_run(root: Path, settings: Settings) -> None:
    """Record the settings of a run in its directory."""
    resolved = settings.model_copy(update={"targets": TARGETS_FILE})
    write_settings(
        resolved,
        root / SETTINGS_FILE,
        comments=[
            f"Settings of this run, as resolved by spaxel-survey {__version__}",
            f"catalog schema {SCHEMA_VERSION}",
            f"fingerprint {fingerprint(_results_settings(settings))}",
        ],
    )


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Work alone in a run directory.

    Raises
    ------
    ConfigError
        If another process is at work in it.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError("another survey is running in this directory", file=root) from None
    try:
        yield
    finally:
        lock.release()


def _size(target: Target) -> int:
    return sum(file.stat().st_size for file in target.files if file.is_file())


def _error(error: BaseException | None) -> BaseException:
    return error if error is not None else RuntimeError("the task returned nothing")
