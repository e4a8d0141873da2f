"""The command that fetches the cubes of a survey from public archives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from survey.cli.app import app
from survey.terminal import EXIT_QUARANTINED, AsJson, Quiet, err_console, out_console, print_error

if TYPE_CHECKING:
    from survey.archives.products import Plan


@app.command()
def fetch(
    folder: Annotated[
        Path, typer.Argument(help="Of the survey; cubes go to FOLDER/cubes.")
    ] = Path(),
    archive: Annotated[str, typer.Option(help="mast (JWST MRS), manga or muse.")] = "mast",
    sample: Annotated[str, typer.Option(help="gatos: the fifteen galaxies of the paper.")] = "",
    target: Annotated[
        list[str] | None,
        typer.Option(help='A galaxy, for example "NGC 7469"; of MaNGA 7495-12704. Repeatable.'),
    ] = None,
    program: Annotated[
        list[int] | None, typer.Option(help="All targets of a JWST programme. Repeatable.")
    ] = None,
    channel: Annotated[int, typer.Option(min=0, max=4, help="MRS channel; 0 for all.")] = 3,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Show what there is, with sizes, and fetch nothing.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare files that are there with their hashes.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fetch cubes from a public archive, and write the targets table; continues where it stopped.

    What is wanted is kept in FOLDER/fetch.toml: without options, that is fetched.
    """
    from survey.archives.session import open_session
    from survey.pipeline.run.fetch import (
        Selection,
        fetch_plan,
        find,
        read_selection,
        write_selection,
    )

    if sample or target or program:
        selection = Selection(archive, sample, tuple(target or ()), tuple(program or ()), channel)
    else:
        selection = read_selection(folder)
    session = open_session()
    plan = find(selection, session)
    if not (quiet or as_json):
        _show(plan)
    for error in plan.missing:
        print_error(error)
    numbers = {
        "galaxies": len(plan.found),
        "files": len(plan.products),
        "missing": len(plan.missing),
    }
    failed = len(plan.missing)
    if not only_plan:
        write_selection(selection, folder)
        from rich import progress

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=err_console, disable=quiet or as_json) as bars:
            bar = bars.add_task("cubes", total=plan.known_bytes or None)
            report = fetch_plan(
                plan, selection, folder, session, verify=verify,
                on_bytes=lambda n: bars.advance(bar, n),
            )  # fmt: skip
        for failure in report.failures:
            print_error(failure)
        failed += len(report.failures)
        numbers |= {
            "fetched": report.fetched,
            "present": report.present,
            "failed": len(report.failures),
        }
    if as_json:
        out_console.print_json(json.dumps(numbers | {"folder": str(folder)}))
    elif not quiet:
        text = ", ".join(f"{number} {what}" for what, number in numbers.items())
        out_console.print(f"{text}; in {folder}", highlight=False)
    if failed:
        raise typer.Exit(EXIT_QUARANTINED)


def _show(plan: Plan) -> None:
    for found in plan.found:
        sizes = [product.size for product in found.products if product.size is not None]
        size = f"{sum(sizes) / 1e6:.0f} MB" if sizes else "size unknown"
        names = ", ".join(product.name for product in found.products)
        text = f"{found.wanted.galaxy}: {size}  {names}"
        out_console.print(escape(text), highlight=False, soft_wrap=True)
        for note in found.notes:
            out_console.print(f"    {escape(note)}", highlight=False, soft_wrap=True)
    total = f"{len(plan.products)} files, {plan.known_bytes / 1e9:.2f} GB"
    out_console.print(total, highlight=False)
