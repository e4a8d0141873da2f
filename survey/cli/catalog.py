"""Commands for a published catalog: list, describe, verify, prune, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from survey.cli.app import app
from survey.terminal import (
    EXIT_CHECK_FAILED,
    Quiet,
    out_console,
    progress_bar,
    shown,
    shown_lines,
)

catalog_app = typer.Typer(help="Inspect, check and export a catalog.", no_args_is_help=True)
app.add_typer(catalog_app, name="catalog")


@catalog_app.command("list")
def catalog_list(
    root: Annotated[str, typer.Argument(metavar="RUN", help="Or the URL of a copy.")],
) -> None:
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
def catalog_verify(
    root: Annotated[Path, typer.Argument(metavar="RUN")],
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read the converted cubes (slow).")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Check the integrity of a published catalog, and of the parts that it is made from."""
    from survey.pipeline.run.verify import verify_run

    with progress_bar(quiet=quiet) as progress:
        bar = progress.add_task("parts", total=None)
        checks = verify_run(
            root,
            deep=deep,
            on_checked=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    for check in checks:
        mark = "[green]ok[/]  " if check.ok else "[red]FAIL[/]"
        text = f"{mark} {check.check}  {shown_lines(check.detail)}"
        out_console.print(text, highlight=False, soft_wrap=True)
    for advice in dict.fromkeys(check.advice for check in checks if not check.ok):
        out_console.print(shown_lines(advice), highlight=False, soft_wrap=True)
    if not all(check.ok for check in checks):
        raise typer.Exit(EXIT_CHECK_FAILED)


@catalog_app.command("prune")
def catalog_prune(
    root: Annotated[Path, typer.Argument(metavar="RUN")],
    remove: Annotated[
        bool, typer.Option("--remove", help="Delete them (default: only list).")
    ] = False,
) -> None:
    """List results of earlier settings or files that the current catalog does not use."""
    from dask.utils import format_bytes

    from survey.pipeline.run.prune import prune

    found = prune(root, remove=remove)
    for folder in found.folders:
        out_console.print(shown(folder), highlight=False, soft_wrap=True)
    what = "deleted" if remove else "not used; delete them with --remove"
    text = f"{len(found.folders)} results, {format_bytes(found.n_bytes)}: {what}"
    out_console.print(text, highlight=False)


@catalog_app.command("export")
def catalog_export(
    root: Annotated[Path, typer.Argument(metavar="RUN")],
    table: Annotated[str | None, typer.Argument(help="clusters, galaxies, ...")] = None,
    path: Annotated[
        Path | None,
        typer.Argument(help="A file: .vot, .fits, .ecsv, .csv, .parquet; or a folder: .hats."),
    ] = None,
    galaxy: Annotated[str | None, typer.Option(help="Only this galaxy.")] = None,
    to: Annotated[
        str | None, typer.Option(help="Copy the whole catalog there: s3://BUCKET/FOLDER.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a table as VOTable, FITS, ECSV, CSV, Parquet or HATS; or copy all to a bucket."""
    from survey.errors import ConfigError

    if to is not None and table is None:
        copied = _copied(root, to, quiet=quiet)
        out_console.print(f"copied to {copied}", highlight=False, soft_wrap=True)
        return
    if to is not None or table is None or path is None:
        raise ConfigError(
            "it is not clear what to export",
            expected="RUN TABLE FILE for one table, or RUN --to s3://BUCKET/FOLDER for all",
        )
    from catalogs.export import export_table

    export_table(root, table, path, galaxy=galaxy)
    out_console.print(f"wrote {path}", highlight=False)


def _copied(root: Path, to: str, *, quiet: bool) -> str:
    from catalogs.places.copy import copy_catalog

    with progress_bar(quiet=quiet) as progress:
        bar = progress.add_task("files", total=None)

        def show(record: object, total: int) -> None:
            progress.update(bar, advance=1, total=total)

        return copy_catalog(root, to, on_file=show)
