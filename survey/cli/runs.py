"""Commands for a survey: write its files, run it, write its pages."""

from __future__ import annotations

import json
import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from survey.cli.app import app, engine_overrides
from survey.cli.classes import print_classes
from survey.terminal import (
    EXIT_QUARANTINED,
    OUTPUT,
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
    if not written:
        out_console.print(f"{folder} has these files: they are kept", highlight=False)


@app.command()
def run(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SURVEY.toml|TARGETS|CUBE",
            help="One SURVEY.toml, one table of targets (CSV, ECSV, VOTable), or FITS cubes: "
            "paths, https:// or s3:// (default: survey.toml).",
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
        bool | None,
        typer.Option(
            "--dashboard/--no-dashboard",
            help="Serve Dask's dashboard, with the page of the survey.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    performance_report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write Dask's performance report of the run (HTML).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    figures: Annotated[
        bool | None,
        typer.Option(
            "--figures/--no-figures", help="Write a page of every galaxy.", rich_help_panel=OUTPUT
        ),
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
    outcome = execute(plan, quiet=quiet or as_json, performance_report=performance_report)
    finish_run(plan, outcome, as_json=as_json, quiet=quiet)


def execute(plan: RunPlan, *, quiet: bool, performance_report: Path | None = None) -> RunOutcome:
    """Run a plan, with a progress bar, and write the page with its figures.

    Cluster, survey, classification and page are put in order here, since no package below may
    import all four.
    """
    from survey.cli.display import RunDisplay, print_report_path, print_summary
    from survey.cli.signals import DRAIN
    from survey.engine.cluster import LazyCluster
    from survey.pipeline.classification.run import run_and_classify
    from survey.pipeline.run.earlier_results import note_of_earlier_results
    from survey.report.run import write_galaxy, write_index_pages

    draw = write_galaxy if plan.settings.report.figures else None
    if (note := note_of_earlier_results(plan.root)) and not quiet:
        print_warning(note)

    def show_dashboard(client: Any) -> None:
        from survey.engine.page_token import dashboard_address

        address = dashboard_address(client)
        if address and plan.settings.engine.dashboard and not quiet:
            err_console.print(f"dashboard: {address}", highlight=False, soft_wrap=True)

    def tab(client: Any) -> AbstractContextManager[bool]:
        from survey.dashboard.server import dashboard_page
        from survey.engine.observe.tab import survey_tab

        return survey_tab(client, plan.root.resolve(), dashboard_page)

    n_draws = plan.settings.classes.draws if plan.classify else 0
    with (
        LazyCluster(
            plan.settings.engine, on_start=show_dashboard, warn=print_warning,
            tab=tab, performance_report=performance_report,
        ) as cluster,
        RunDisplay(len(plan.targets), n_draws, quiet=quiet) as display,
    ):  # fmt: skip
        outcome = run_and_classify(
            plan, cluster, draw=draw, drain=DRAIN, on_plan=display.plan,
            on_report=display.report, on_draws=display.draws,
        )  # fmt: skip
    if draw is not None:
        write_index_pages(plan.root)
    if not quiet:
        print_summary(plan.root, display.totals, display.seconds)
        if performance_report is not None:
            print_report_path(performance_report)
    return outcome


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
