"""The classes of the clusters of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from survey.cli.app import app, engine_overrides
from survey.terminal import (
    ClusterFile,
    Quiet,
    Scheduler,
    Workers,
    out_console,
    print_warning,
    progress_bar,
)

if TYPE_CHECKING:
    from survey.config import Settings
    from survey.engine.cluster import Cluster
    from survey.pipeline.classification.classify import Classified


@app.command()
def classify(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    labels: Annotated[
        Path | None, typer.Option(help="Regions of known class: DS9 (.reg) or a table (.ecsv).")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Apply this trained model instead.")] = None,
    save_model: Annotated[Path | None, typer.Option(help="Write a model (.skops).")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="As in classes.draws=200. Repeatable.")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: ClusterFile = None,
    quiet: Quiet = False,
) -> None:
    """Tell the classes of all clusters, from labels or by a model, and publish them."""
    from survey.engine.cluster import LazyCluster
    from survey.pipeline.classification.plan import plan_classification
    from survey.pipeline.run.plan import parse_overrides
    from survey.report.run import write_page

    overrides = parse_overrides(setting or [])
    overrides.setdefault("engine", {}).update(engine_overrides(workers, scheduler, cluster))
    settings = plan_classification(root, labels=labels, model=model, overrides=overrides)
    with LazyCluster(settings.engine, warn=print_warning) as lazy:
        done = classify_with_bar(
            root, settings, lazy, model=model, save_model=save_model, quiet=quiet
        )
    page = write_page(root)
    if not quiet:
        print_classes(done)
        out_console.print(f"report: {page}", highlight=False)


def classify_with_bar(
    root: Path,
    settings: Settings,
    workers: Cluster,
    *,
    model: Path | None = None,
    save_model: Path | None = None,
    quiet: bool,
) -> Classified:
    """Classify a run, with a bar that counts the draws."""
    from survey.pipeline.classification.classify import classify_run

    with progress_bar("draws", quiet=quiet) as progress:
        bar = progress.add_task("draws", total=settings.classes.draws * (2 if save_model else 1))
        return classify_run(
            root, settings, workers, model=model, save_as=save_model,
            on_draws=lambda n: progress.advance(bar, n),
        )  # fmt: skip


def print_classes(done: Classified) -> None:
    """Print what a classification found."""
    for line in done.summary():
        out_console.print(line, highlight=False)
