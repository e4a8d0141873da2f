"""A survey of many galaxies: start it, run it, see how it stands, draw it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from survey.cli.app import app, engine_overrides
from survey.cli.classes import classify_with_bar, print_classes
from survey.errors import DataError
from survey.terminal import (
    EXIT_QUARANTINED,
    AsJson,
    ClusterFile,
    Quiet,
    Redshift,
    Scheduler,
    Workers,
    err_console,
    out_console,
    print_warning,
    progress_bar,
)

if TYPE_CHECKING:
    from survey.pipeline.classification.classify import Classified
    from survey.pipeline.run.plan import Plan


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path()) -> None:
    """Write a commented survey.toml, a targets table and a table of labels to start from."""
    from survey.pipeline.run.settings_file import write_template

    for path in write_template(folder):
        out_console.print(f"wrote {path}", highlight=False)


@app.command()
def run(
    inputs: Annotated[list[Path], typer.Argument(help="One SURVEY.toml, or FITS cubes.")],
    out: Annotated[Path | None, typer.Option(help="The run directory.")] = None,
    redshift: Redshift = math.nan,
    merge_bands: Annotated[
        bool, typer.Option("--merge-bands", help="Join the sub-bands of each target.")
    ] = False,
    preset: Annotated[str | None, typer.Option(help="default, or gatos (the paper's).")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting, as in cut.k=6. Repeatable.")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: ClusterFile = None,
    dashboard: Annotated[
        bool | None, typer.Option("--dashboard/--no-dashboard", help="Serve Dask's dashboard.")
    ] = None,
    figures: Annotated[
        bool | None, typer.Option("--figures/--no-figures", help="Draw every galaxy.")
    ] = None,
    classify: Annotated[
        bool,
        typer.Option(
            "--classify/--no-classify", help="Tell the classes too, if the settings name labels."
        ),
    ] = True,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Process cubes into a catalog; what is done already is not done again."""
    from survey.pipeline.classification.plan import check_labels_of
    from survey.pipeline.run.plan import parse_overrides, plan_run

    named = {
        "preset": preset,
        "engine.dashboard": dashboard,
        "report.figures": figures,
    }
    given = [f"{name}={json.dumps(value)}" for name, value in named.items() if value is not None]
    overrides = parse_overrides([*(setting or []), *given])
    overrides.setdefault("engine", {}).update(engine_overrides(workers, scheduler, cluster))
    plan = plan_run(
        inputs, out=out, redshift=redshift, merge_bands=merge_bands, classify=classify,
        overrides=overrides,
    )  # fmt: skip
    check_labels_of(plan)
    finish_run(plan, execute(plan, quiet=quiet or as_json), as_json=as_json, quiet=quiet)


@dataclass(frozen=True)
class Ended:
    """How a run ended: galaxies by outcome, and its classes, or why there are none."""

    counts: dict[str, int]
    classified: Classified | None = None
    refusal: Exception | None = None


def execute(plan: Plan, *, quiet: bool) -> Ended:
    """Run a plan, with progress bars."""
    from survey.engine.cluster import LazyCluster
    from survey.pipeline.galaxy.task import GalaxyReport
    from survey.pipeline.run.survey import run_survey
    from survey.report.run import draw_galaxy_figures, write_page

    draw = draw_galaxy_figures if plan.settings.report.figures else None

    def show_dashboard(client: Any) -> None:
        if client.dashboard_link and plan.settings.engine.dashboard and not quiet:
            err_console.print(f"Dask dashboard: {client.dashboard_link}", highlight=False)

    classified, refusal = None, None
    with LazyCluster(plan.settings.engine, on_start=show_dashboard, warn=print_warning) as cluster:
        with progress_bar("galaxies", quiet=quiet) as progress:
            bar = progress.add_task("galaxies", total=len(plan.targets))

            def tell(report: GalaxyReport) -> None:
                progress.advance(bar)
                if not quiet:
                    progress.console.print(_report_line(report), highlight=False, soft_wrap=True)

            results = run_survey(
                plan.root, plan.targets, plan.settings, cluster, draw=draw, on_report=tell
            )
        if plan.classify:
            try:
                classified = classify_with_bar(plan.root, plan.settings, cluster, quiet=quiet)
            except DataError as error:
                refusal = error  # The galaxies are in the catalog all the same.
    if draw is not None:
        write_page(plan.root)
    outcomes = ("computed", "reused", "quarantined")
    return Ended({name: results.count(name) for name in outcomes}, classified, refusal)


def _report_line(report: Any) -> str:
    colour = {"computed": "green", "reused": "cyan", "quarantined": "red"}[report.outcome]
    line = f"[{colour}]{report.outcome:<11}[/] {escape(report.galaxy)}  {report.seconds:.1f} s"
    if report.computed:
        line += f"  ({', '.join(report.computed)})"
    if report.failure is not None:
        line += escape(f"  {report.failure['stage']}: {report.failure['message']}")
    return "\n".join([line, *(f"            {escape(note)}" for note in report.notes)])


def finish_run(plan: Plan, ended: Ended, *, as_json: bool, quiet: bool) -> None:
    """Print how a run ended; quarantined galaxies make an exit code of their own."""
    places = {"catalog": str(plan.root / "catalog"), "report": str(plan.root / "report")}
    if as_json:
        classes = {"classes": ended.classified.counts()} if ended.classified else {}
        print(json.dumps(ended.counts | places | classes))
    elif not quiet:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in ended.counts.items())
        out_console.print(f"{counts}; catalog in {places['catalog']}", highlight=False)
        if ended.classified:
            print_classes(ended.classified)
        if plan.settings.report.figures:
            out_console.print(f"figures: {places['report']}/index.html", highlight=False)
    if ended.refusal is not None:
        raise ended.refusal
    if ended.counts["quarantined"]:
        raise typer.Exit(EXIT_QUARANTINED)


@app.command()
def status(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    as_json: AsJson = False,
) -> None:
    """Where a run stands: what is done, what failed, how long it will take."""
    from survey.pipeline.run.ledger import read_status

    found = read_status(root)
    if as_json:
        print(json.dumps(asdict(found) | {"remaining_s": found.remaining_s}))
        return
    counts = ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.items())
    out_console.print(f"{found.state}: {found.n_done} of {found.n_galaxies} galaxies ({counts})")
    if found.remaining_s and found.state.startswith("running"):
        out_console.print(f"about {found.remaining_s:.0f} s to go")
    for galaxy, message in found.failures.items():
        text = f"  [red]quarantined[/] {escape(galaxy)}: {escape(message)}"
        out_console.print(text, highlight=False, soft_wrap=True)


@app.command()
def report(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
) -> None:
    """Draw the galaxies of a run again, and the page that shows them."""
    from survey.report.run import draw_all

    page = draw_all(root, on_done=lambda name: err_console.print(name, highlight=False))
    out_console.print(f"wrote {page}", highlight=False)
