"""The command that fetches X-ray spectra from the Chandra Source Catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from survey.latents.cli.app import latent_app
from survey.terminal import (
    EXIT_QUARANTINED,
    AsJson,
    Quiet,
    out_console,
    print_error,
    print_warning,
    progress_bar,
)


@latent_app.command()
def fetch(
    out: Annotated[Path, typer.Argument(help="Folder for the spectra.")],
    source: Annotated[
        list[str] | None,
        typer.Option(help='Name, for example "2CXO J004231.1+411621"; may be repeated.'),
    ] = None,
    min_counts: Annotated[
        float, typer.Option(min=0, help="Least net counts, 0.5 to 7 keV.")
    ] = 40.0,
    min_significance: Annotated[
        float, typer.Option(min=0, help="Least significance of the flux.")
    ] = 5.0,
    max_off_axis: Annotated[
        float, typer.Option(min=0, help="Largest angle from the axis in arcmin.")
    ] = 10.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Largest number of detections.")] = None,
    again: Annotated[bool, typer.Option(help="Query the list of detections again.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fetch spectra and responses of the Chandra Source Catalog; continues after an interruption.

    The list of detections is kept in OUT/detections.ecsv, and queried again if the options have
    changed, or `--again`.
    """
    from survey.latents.xray.csc_fetch import fetch_spectra, open_session
    from survey.latents.xray.csc_list import listed_detections
    from survey.latents.xray.csc_query import Selection, detections_of

    session = open_session()
    selection = Selection(
        min_counts, min_significance, max_off_axis, tuple(source or ()), limit=limit
    )
    table = listed_detections(selection, out, session=session, again=again)
    detections, bad = detections_of(table)
    with progress_bar(quiet=quiet or as_json) as progress:
        bar = progress.add_task("detections", total=len(detections))
        report = fetch_spectra(
            detections, out, session=session, on_detection=lambda done: progress.advance(bar)
        )
    for error in bad:
        print_warning(f"the list of detections: {error}")
    for error in report.failures:
        print_error(error)
    failed = len(bad) + len(report.failures)
    numbers = {"fetched": report.fetched, "present": report.present, "failed": failed}
    if as_json:
        print(json.dumps(numbers | {"folder": str(out)}))
    elif not quiet:
        text = ", ".join(f"{number} {what}" for what, number in numbers.items())
        out_console.print(f"{text}; in {out}", highlight=False)
    if failed:
        raise typer.Exit(EXIT_QUARANTINED)
