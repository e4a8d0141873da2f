"""Commands for a survey: write its files, run it, write its pages."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from survey.cli.app import app, engine_overrides
from survey.cli.classes import print_classes
from survey.terminal import (
    EXIT_QUARANTINED,
    AsJson,
    ClusterFile,
    Insecure,
    Quiet,
    Redshift,
    Scheduler,
    Workers,
    err_console,
    out_console,
    print_warning,
    progress_bar,
    shown,
)

if TYPE_CHECKING:
    from survey.pipeline.classification.run import RunOutcome
    from survey.pipeline.run.plan import RunPlan


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path(),
    sample: Annotated[
        str, typer.Option(help="gatos: the paper's galaxies, for `survey fetch`.")
    ] = "",
) -> None:
    """Write a commented survey.toml, a targets table and a table of labels to start from."""
    from survey.pipeline.run.settings_file import write_template

    if sample:
        from survey.pipeline.run.sample import write_sample

        written = write_sample(sample, folder)
    else:
        written = write_template(folder)
    for path in written:
        out_console.print(f"wrote {path}", highlight=False)


@app.command()
def run(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="One SURVEY.toml, or FITS cubes: paths, https:// or s3:// (default: survey.toml)."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run directory.")] = None,
    redshift: Redshift = math.nan,
    merge_bands: Annotated[
        bool, typer.Option("--merge-bands", help="Join the sub-bands of each target.")
    ] = False,
    preset: Annotated[str | None, typer.Option(help="default, or gatos (the paper's).")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting, for example cut.k=6. Repeatable."),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: ClusterFile = None,
    insecure: Insecure = False,
    dashboard: Annotated[
        bool | None, typer.Option("--dashboard/--no-dashboard", help="Serve Dask's dashboard.")
    ] = None,
    figures: Annotated[
        bool | None, typer.Option("--figures/--no-figures", help="Write a page of every galaxy.")
    ] = None,
    classify: Annotated[
        bool,
        typer.Option(
            "--classify/--no-classify", help="Also classify, if the settings name labels."
        ),
    ] = True,
    verify_inputs: Annotated[
        bool, typer.Option("--verify-inputs", help="Read all cubes again, to see changes.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Process cubes into a catalog; finished results are not computed again."""
    from survey.pipeline.classification.plan import check_labels_of
    from survey.pipeline.run.plan import parse_overrides, plan_run

    named = {
        "preset": preset,
        "engine.dashboard": dashboard,
        "report.figures": figures,
    }
    given = [f"{name}={json.dumps(value)}" for name, value in named.items() if value is not None]
    overrides = parse_overrides([*(setting or []), *given])
    engine = engine_overrides(workers, scheduler, cluster, insecure=insecure)
    overrides.setdefault("engine", {}).update(engine)
    plan = plan_run(
        inputs or ["survey.toml"], out=out, redshift=redshift, merge_bands=merge_bands,
        classify=classify, verify_inputs=verify_inputs, overrides=overrides,
    )  # fmt: skip
    check_labels_of(plan)
    finish_run(plan, execute(plan, quiet=quiet or as_json), as_json=as_json, quiet=quiet)


def execute(plan: RunPlan, *, quiet: bool) -> RunOutcome:
    """Run a plan, with progress bars, and write the page with its figures.

    Cluster, survey, classification and page are put in order here, since no package below may
    import all four.
    """
    from survey.cli.signals import DRAIN
    from survey.engine.cluster import LazyCluster
    from survey.engine.page_token import dashboard_address
    from survey.pipeline.classification.run import run_and_classify
    from survey.pipeline.galaxy.task import GalaxyReport
    from survey.pipeline.run.earlier_results import note_of_earlier_results
    from survey.report.run import write_galaxy, write_index_pages

    draw = write_galaxy if plan.settings.report.figures else None
    if (note := note_of_earlier_results(plan.root)) and not quiet:
        print_warning(note)

    def show_dashboard(client: Any) -> None:
        address = dashboard_address(client)
        if address and plan.settings.engine.dashboard and not quiet:
            err_console.print(f"Dask dashboard: {address}", highlight=False, soft_wrap=True)

    with (
        LazyCluster(plan.settings.engine, on_start=show_dashboard, warn=print_warning) as cluster,
        progress_bar(quiet=quiet) as progress,
    ):
        galaxies = progress.add_task("galaxies", total=len(plan.targets))
        n_draws = plan.settings.classes.draws
        draws = progress.add_task("draws", total=n_draws, visible=plan.classify, start=False)

        def show_report(report: GalaxyReport) -> None:
            progress.advance(galaxies)
            if not quiet:
                progress.console.print(_report_line(report), highlight=False, soft_wrap=True)

        def show_draws(n: int) -> None:
            progress.start_task(draws)
            progress.advance(draws, n)

        outcome = run_and_classify(
            plan, cluster, draw=draw, on_report=show_report, on_draws=show_draws, drain=DRAIN
        )
    if draw is not None:
        write_index_pages(plan.root)
    return outcome


def _report_line(report: Any) -> str:
    colour = {"computed": "green", "reused": "cyan", "quarantined": "red"}[report.outcome]
    line = f"[{colour}]{report.outcome:<11}[/] {shown(report.galaxy)}  {report.seconds:.1f} s"
    if report.computed:
        line += f"  ({', '.join(report.computed)})"
    if report.failure is not None:
        line += shown(f"  {report.failure['stage']}: {report.failure['message']}")
    return "\n".join([line, *(f"            {shown(note)}" for note in report.notes)])


def finish_run(plan: RunPlan, outcome: RunOutcome, *, as_json: bool, quiet: bool) -> None:
    """Print how a run ended; quarantined galaxies have their own exit code."""
    places = {"catalog": str(plan.root / "catalog"), "report": str(plan.root / "report")}
    if as_json:
        classes = {"classes": outcome.classified.counts()} if outcome.classified else {}
        print(json.dumps(outcome.counts | places | classes))
    elif not quiet:
        counts = ", ".join(f"{count} {name}" for name, count in outcome.counts.items())
        out_console.print(f"{counts}; catalog in {places['catalog']}", highlight=False)
        if outcome.classified:
            print_classes(outcome.classified)
        if plan.settings.report.figures:
            out_console.print(f"pages: {places['report']}/index.html", highlight=False)
    if outcome.refusal is not None:
        raise outcome.refusal
    if outcome.counts["quarantined"]:
        raise typer.Exit(EXIT_QUARANTINED)


@app.command()
def report(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Also draw every galaxy as PNG, for papers.")
    ] = False,
) -> None:
    """Write the pages of a run: an index, every galaxy, the classes."""
    from survey.report.run import write_all

    def say(name: str) -> None:
        err_console.print(shown(name), highlight=False)

    page = write_all(root, pictures=pictures, on_done=say)
    out_console.print(f"wrote {page}", highlight=False)
