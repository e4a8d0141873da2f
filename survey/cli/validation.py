"""How much to believe of the clusters of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from survey.cli.app import app, engine_overrides
from survey.terminal import (
    EXIT_QUARANTINED,
    AsJson,
    ClusterFile,
    Insecure,
    Quiet,
    Scheduler,
    Workers,
    out_console,
    print_warning,
    progress_bar,
    shown,
)

if TYPE_CHECKING:
    from survey.pipeline.validation.task import ValidationReport
    from survey.pipeline.validation.trace_task import TraceReport


@app.command()
def validate(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")] = Path("run"),
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="For archives: other linkages and cuts, another draw of the noise, no continuum, "
            "noise and point source alone. Left out: halves of spaxels and spectrum, lines, shift, "
            "narrower window.",
        ),
    ] = False,
    tracers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also compare the clusters with maps that were made without them (BPT classes, "
            "radio, X-ray, velocities), which this TOML file names: see docs/validation.md.",
        ),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: ClusterFile = None,
    insecure: Insecure = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Cluster every galaxy in other ways, and publish verdicts: robust, sensitive, not testable."""
    from survey.cli.signals import DRAIN
    from survey.config.tracers import load_tracers
    from survey.engine.cluster import LazyCluster
    from survey.pipeline.validation.run import plan_validation, validate_run
    from survey.pipeline.validation.tracers import measure_tracers
    from survey.report.run import write_index_pages, write_tracer

    named = None if tracers is None else load_tracers(tracers)
    engine = engine_overrides(workers, scheduler, cluster, insecure=insecure)
    settings = plan_validation(root, {"engine": engine})
    with (
        LazyCluster(settings.engine, warn=print_warning) as lazy,
        progress_bar(quiet=quiet or as_json) as progress,
    ):
        traced = None
        if tracers is not None and named is not None:  # First: they take seconds.
            of_tracers = progress.add_task("tracers")

            def show_traced(report: TraceReport) -> None:
                progress.advance(of_tracers)
                if not (quiet or as_json):
                    progress.console.print(_traced_line(report), highlight=False, soft_wrap=True)

            traced = measure_tracers(
                root, named, tracers.absolute().parent, settings, lazy, draw=write_tracer,
                on_start=lambda n: progress.update(of_tracers, total=n), on_report=show_traced,
                drain=DRAIN,
            )  # fmt: skip
        bar = progress.add_task("galaxies")

        def show(report: ValidationReport) -> None:
            progress.advance(bar)
            if not (quiet or as_json):
                progress.console.print(_line(report), highlight=False, soft_wrap=True)

        done = validate_run(
            root, settings, lazy, quick=quick, on_report=show, drain=DRAIN,
            on_start=lambda n: progress.update(bar, total=n),
        )  # fmt: skip
    page = write_index_pages(root)
    if as_json:
        found = done.counts | {"failed": done.failures, "report": str(page)}
        if traced is not None:
            found["tracers"] = traced.counts | {"failures": traced.failures}
        print(json.dumps(found))
    elif not quiet:
        if traced is not None:
            counts = ", ".join(f"{count} {outcome}" for outcome, count in traced.counts.items())
            out_console.print(f"tracers: {counts}", highlight=False)
        counts = ", ".join(f"{count} {verdict}" for verdict, count in done.counts.items())
        out_console.print(f"{counts}; report: {page}", highlight=False)
    if done.failures or (traced is not None and traced.failures):
        raise typer.Exit(EXIT_QUARANTINED)


def _line(report: ValidationReport) -> str:
    if report.failure is not None:
        return f"[red]failed     [/] {shown(report.galaxy)}  {shown(report.failure)}"
    state = "[green]validated  [/]" if report.computed else "[cyan]unchanged  [/]"
    lines = [f"{state} {shown(report.galaxy)}  {report.seconds:.1f} s"]
    return "\n".join([*lines, *(f"            {shown(note)}" for note in report.notes)])


def _traced_line(report: TraceReport) -> str:
    lines = []
    if report.keys:
        state = "[green]compared   [/]" if report.computed else "[cyan]unchanged  [/]"
        lines.append(f"{state} {shown(report.galaxy)}  {shown(', '.join(report.keys))}")
    for tracer, failure in report.failures.items():
        lines.append(
            f"[red]failed     [/] {shown(report.galaxy)}  {shown(tracer)}: {shown(failure)}"
        )
    return "\n".join([*lines, *(f"            {shown(note)}" for note in report.notes)])
