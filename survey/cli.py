"""The command line: it parses, calls one function, and prints."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from catalogs.errors import CatalogError
from survey import __version__
from survey.errors import InfrastructureError, SurveyError

if TYPE_CHECKING:
    from rich.progress import Progress

    from survey.pipeline.plan import Plan

EXIT_QUARANTINED = 64
EXIT_RESUMABLE = 75
EXIT_USAGE = 2
EXIT_BUG = 1
EXIT_INTERRUPTED_BY_TYPER = 130
INTERRUPTED = "interrupted; run the same command again to go on"

app = typer.Typer(
    name="survey",
    help="Clusters of similar spectra in archives of integral-field cubes.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
)
catalog_app = typer.Typer(help="Look at, check and export a catalog.", no_args_is_help=True)
app.add_typer(catalog_app, name="catalog")

out_console = Console()
err_console = Console(stderr=True)

Redshift = Annotated[float, typer.Option(help="Redshift; by default that of the header.")]
Seed = Annotated[int, typer.Option(help="Seed of the random numbers.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes on this machine.")]


def main() -> None:
    """Run the command line; errors of the survey's own family become one line and a code."""
    try:
        code = app(standalone_mode=False)  # what `typer.Exit` was raised with, or None
    except (typer.Abort, KeyboardInterrupt):
        _fail(INTERRUPTED, EXIT_RESUMABLE)
    except InfrastructureError as error:
        _fail(str(error), EXIT_RESUMABLE)
    except (SurveyError, CatalogError) as error:
        _fail(str(error), EXIT_USAGE)
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}", EXIT_USAGE)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's usage errors
            _fail(error.format_message(), EXIT_USAGE)
        err_console.print_exception()
        sys.exit(EXIT_BUG)
    if code == EXIT_INTERRUPTED_BY_TYPER:
        _fail(INTERRUPTED, EXIT_RESUMABLE)
    sys.exit(code or 0)


def _fail(message: str, code: int) -> None:
    _print_error(message)
    sys.exit(code)


def _print_error(message: object) -> None:
    text = f"[bold red]error:[/] {escape(str(message))}"
    err_console.print(text, highlight=False, soft_wrap=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        out_console.print(f"spaxel-survey {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path()) -> None:
    """Write a commented survey.toml, a targets table and a table of labels to start from."""
    from survey.pipeline.settings_file import write_template

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
    scheduler: Annotated[
        str | None, typer.Option(help="An existing Dask scheduler, tcp://HOST:PORT.")
    ] = None,
    dashboard: Annotated[
        bool | None, typer.Option("--dashboard/--no-dashboard", help="Serve Dask's dashboard.")
    ] = None,
    figures: Annotated[
        bool | None, typer.Option("--figures/--no-figures", help="Draw every galaxy.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Process cubes into a catalog; what is done already is not done again."""
    from survey.pipeline.plan import parse_overrides, plan_run

    named = {
        "preset": preset,
        "engine.workers": workers,
        "engine.scheduler": scheduler,
        "engine.dashboard": dashboard,
        "report.figures": figures,
    }
    given = [f"{name}={json.dumps(value)}" for name, value in named.items() if value is not None]
    overrides = parse_overrides([*(setting or []), *given])
    plan = plan_run(
        inputs, out=out, redshift=redshift, merge_bands=merge_bands, overrides=overrides
    )
    _finish_run(*_execute(plan, quiet=quiet or as_json), as_json=as_json, quiet=quiet)


def _progress(what: str, *, quiet: bool) -> Progress:
    """A bar that counts `what`."""
    from rich import progress

    return progress.Progress(
        progress.TextColumn(what),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=err_console,
        disable=quiet,
    )


def _execute(plan: Plan, *, quiet: bool) -> tuple[Plan, dict[str, Any]]:
    """Run a plan with a progress bar; returns it with the numbers to print."""
    from survey.engine.cluster import connect
    from survey.pipeline.archive import run_survey
    from survey.pipeline.task import GalaxyReport
    from survey.report.run import draw_galaxy_figures, write_page

    draw = draw_galaxy_figures if plan.settings.report.figures else None
    with (
        connect(plan.settings.engine) as client,
        _progress("galaxies", quiet=quiet) as progress,
    ):
        if client.dashboard_link and plan.settings.engine.dashboard and not quiet:
            err_console.print(f"Dask dashboard: {client.dashboard_link}", highlight=False)
        bar = progress.add_task("galaxies", total=len(plan.targets))

        def tell(report: GalaxyReport) -> None:
            progress.advance(bar)
            if not quiet:
                progress.console.print(_report_line(report), highlight=False, soft_wrap=True)

        results = run_survey(
            plan.root, plan.targets, plan.settings, client, draw=draw, on_report=tell
        )
    if draw is not None:
        write_page(plan.root)
    numbers: dict[str, Any] = {
        outcome: results.count(outcome) for outcome in ("computed", "reused", "quarantined")
    }
    return plan, numbers


def _report_line(report: Any) -> str:
    colour = {"computed": "green", "reused": "cyan", "quarantined": "red"}[report.outcome]
    line = f"[{colour}]{report.outcome:<11}[/] {escape(report.galaxy)}  {report.seconds:.1f} s"
    if report.computed:
        line += f"  ({', '.join(report.computed)})"
    if report.failure is not None:
        line += escape(f"  {report.failure['stage']}: {report.failure['message']}")
    return "\n".join([line, *(f"            {escape(note)}" for note in report.notes)])


def _finish_run(plan: Plan, numbers: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    places = {"catalog": str(plan.root / "catalog"), "report": str(plan.root / "report")}
    if as_json:
        print(json.dumps(numbers | places))
    elif not quiet:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in numbers.items())
        out_console.print(f"{counts}; catalog in {places['catalog']}", highlight=False)
        if plan.settings.report.figures:
            out_console.print(f"figures: {places['report']}/index.html", highlight=False)
    if numbers["quarantined"]:
        raise typer.Exit(EXIT_QUARANTINED)


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
    scheduler: Annotated[
        str | None, typer.Option(help="An existing Dask scheduler, tcp://HOST:PORT.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Tell the classes of all clusters, from labels or by a model, and publish them."""
    from survey.engine.cluster import connect
    from survey.pipeline.classify import classify_run
    from survey.pipeline.plan import parse_overrides, plan_classification
    from survey.report.run import write_page

    overrides = parse_overrides(setting or [])
    engine = {"workers": workers, "scheduler": scheduler}
    overrides.setdefault("engine", {}).update({k: v for k, v in engine.items() if v is not None})
    settings = plan_classification(root, labels=labels, model=model, overrides=overrides)
    with connect(settings.engine) as client, _progress("draws", quiet=quiet) as progress:
        bar = progress.add_task("draws", total=settings.classes.draws * (2 if save_model else 1))
        done = classify_run(
            root, settings, client, model=model, save_as=save_model,
            on_draws=lambda n: progress.advance(bar, n),
        )  # fmt: skip
    page = write_page(root)
    if not quiet:
        for line in done.summary():
            out_console.print(line, highlight=False)
        out_console.print(f"report: {page}", highlight=False)


@app.command()
def status(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    as_json: AsJson = False,
) -> None:
    """Where a run stands: what is done, what failed, how long it will take."""
    from survey.pipeline.ledger import read_status

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
def inspect(
    cubes: Annotated[list[Path], typer.Argument(help="FITS cubes.")],
    redshift: Redshift = math.nan,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Settings of the reader. Repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What a cube is, which lines it covers, and what clustering it will cost."""
    from survey.config import build_settings
    from survey.pipeline.inspection import inspect_with_projection, summary_rows
    from survey.pipeline.plan import parse_overrides

    settings = build_settings(parse_overrides(setting or []), source="command line")
    failed = False
    for cube in cubes:
        try:
            summary, projection = inspect_with_projection(cube, settings, redshift)
        except SurveyError as error:
            _print_error(error)
            failed = True
            continue
        if as_json:
            print(json.dumps(asdict(summary) | {"projection": asdict(projection)}, default=str))
            continue
        out_console.rule(str(cube), align="left")
        for name, value in summary_rows(summary, projection):
            out_console.print(f"[bold]{name:>18}[/]  {escape(value)}", highlight=False)
    if failed:
        raise typer.Exit(EXIT_QUARANTINED)


@app.command()
def report(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
) -> None:
    """Draw the galaxies of a run again, and the page that shows them."""
    from survey.report.run import draw_all

    page = draw_all(root, on_done=lambda name: err_console.print(name, highlight=False))
    out_console.print(f"wrote {page}", highlight=False)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the cubes.")],
    archive: Annotated[
        str, typer.Option(help="demo, or gatos-like (the paper's sample).")
    ] = "demo",
    galaxies: Annotated[
        int | None, typer.Option(min=1, help="How many; by default as many as the archive has.")
    ] = None,
    seed: Seed = 0,
    size: Annotated[int, typer.Option(min=8, help="Spaxels along a side.")] = 24,
    window: Annotated[str, typer.Option(help="ch3, ch3-short, ch3-medium or ch3-long.")] = "ch3",
    snr: Annotated[float, typer.Option(help="Continuum S/N per sample, field median.")] = 30.0,
    workers: Workers = 1,
    quiet: Quiet = False,
) -> None:
    """Write MIRI/MRS cubes of galaxies whose truth is known, with a survey.toml to run them."""
    _simulate(out, archive, galaxies, seed=seed, size=size, window=window, snr=snr,
              workers=workers or 1, quiet=quiet)  # fmt: skip
    if quiet:
        return
    out_console.print(f"run them with: survey run {out / 'survey.toml'}", highlight=False)
    if (labels := out / "labels.ecsv").exists():
        out_console.print(
            f"then classify: survey classify {out / 'run'} --labels {labels}", highlight=False
        )


def _simulate(
    out: Path, archive: str, galaxies: int | None, *, seed: int, size: int, window: str,
    snr: float, workers: int, quiet: bool,
) -> None:  # fmt: skip
    from rich.progress import Progress

    from survey.simulate.archive import simulate_archive
    from survey.simulate.designs import load_design

    total = galaxies or len(load_design(archive).members)
    with Progress(console=err_console, disable=quiet) as progress:
        bar = progress.add_task("simulating", total=total)
        simulate_archive(
            out,
            total,
            archive=archive,
            seed=seed,
            size=(size, size),
            window=window,
            snr=snr,
            workers=workers,
            on_done=lambda path: progress.advance(bar),
        )


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder for everything.")] = Path("demo"),
    workers: Workers = 2,
    seed: Seed = 0,
) -> None:
    """Simulate four small galaxies, run them, and show the catalog."""
    import pandas as pd

    from survey.pipeline.plan import plan_run

    _simulate(out, "demo", None, seed=seed, size=24, window="ch3", snr=30.0, workers=workers or 1,
              quiet=False)  # fmt: skip
    plan = plan_run([out / "survey.toml"], overrides={"engine": {"workers": workers}})
    plan, numbers = _execute(plan, quiet=False)
    file = plan.root / "catalog" / "clusters.parquet"
    columns = ["galaxy", "cluster", "n_spaxel", "continuum_snr", "flux_NeII_12.81",
               "flux_NeIII_15.56", "flux_PAH_12.7"]  # fmt: skip
    clusters = pd.read_parquet(file, columns=columns)
    out_console.print(f"\n>>> pandas.read_parquet({str(file)!r})", highlight=False)
    out_console.print(clusters.head(12).to_string(), highlight=False, soft_wrap=True)
    _finish_run(plan, numbers, as_json=False, quiet=False)


@catalog_app.command("list")
def catalog_list(root: Annotated[Path, typer.Argument(metavar="RUN")]) -> None:
    """The tables of a catalog and how many rows they have."""
    from catalogs import open_catalog

    for name, rows in open_catalog(root).row_counts().items():
        out_console.print(f"{name:<12} {rows:>10,} rows", highlight=False)


@catalog_app.command("describe")
def catalog_describe(table: Annotated[str, typer.Argument()]) -> None:
    """Every column of a table: type, unit, UCD, meaning."""
    from catalogs.schema import describe

    print(describe(table))


@catalog_app.command("verify")
def catalog_verify(root: Annotated[Path, typer.Argument(metavar="RUN")]) -> None:
    """Check the integrity of a published catalog."""
    from catalogs.verify import verify

    checks = verify(root)
    for check in checks:
        mark = "[green]ok[/]  " if check.ok else "[red]FAIL[/]"
        out_console.print(f"{mark} {check.check}  {check.detail}", highlight=False)
    if not all(check.ok for check in checks):
        raise typer.Exit(EXIT_BUG)


@catalog_app.command("export")
def catalog_export(
    root: Annotated[Path, typer.Argument(metavar="RUN")],
    table: Annotated[str, typer.Argument(help="clusters, galaxies, ...")],
    path: Annotated[Path, typer.Argument(help="A .vot or .fits file.")],
) -> None:
    """Write a table as VOTable or FITS, with units and UCDs."""
    from catalogs.export import export_table

    export_table(root, table, path)
    out_console.print(f"wrote {path}", highlight=False)
