"""The classes of the clusters of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from survey.cli.app import app, engine_overrides
from survey.terminal import (
    ClusterFile,
    Insecure,
    Quiet,
    Scheduler,
    Workers,
    out_console,
    print_warning,
    progress_bar,
)

if TYPE_CHECKING:
    from survey.pipeline.classification.classify import Classified


@app.command()
def classify(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")] = Path("run"),
    labels: Annotated[
        Path | None, typer.Option(help="Regions of known class: DS9 (.reg) or a table (.ecsv).")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Apply this trained model instead.")] = None,
    save_model: Annotated[
        Path | None, typer.Option(help="Also train a model and write it (.skops).")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, for example classes.draws=200. Repeatable."),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: ClusterFile = None,
    insecure: Insecure = False,
    quiet: Quiet = False,
) -> None:
    """Classify all clusters, from labels or by a model, and publish their classes."""
    from survey.engine.cluster import LazyCluster
    from survey.pipeline.classification.classify import classify_run
    from survey.pipeline.classification.plan import plan_classification
    from survey.pipeline.run.plan import parse_overrides
    from survey.report.run import write_index_pages

    overrides = parse_overrides(setting or [])
    engine = engine_overrides(workers, scheduler, cluster, insecure=insecure)
    overrides.setdefault("engine", {}).update(engine)
    settings = plan_classification(root, labels=labels, model=model, overrides=overrides)
    n_draws = settings.classes.draws * (2 if save_model else 1)
    with (
        LazyCluster(settings.engine, warn=print_warning) as lazy,
        progress_bar(quiet=quiet) as progress,
    ):
        bar = progress.add_task("draws", total=n_draws)
        done = classify_run(
            root, settings, lazy, model=model, save_as=save_model,
            on_draws=lambda n: progress.advance(bar, n),
        )  # fmt: skip
    page = write_index_pages(root)
    if not quiet:
        print_classes(done)
        out_console.print(f"report: {page}", highlight=False)


def print_classes(done: Classified) -> None:
    """Print the summary of a classification."""
    for line in done.summary():
        out_console.print(line, highlight=False)
