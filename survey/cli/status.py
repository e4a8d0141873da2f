"""The commands that show where a run is: in the terminal once or again and again, or as a page."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group

from survey.cli.app import app
from survey.pipeline.run.records.alike import AlikeMessages, named
from survey.terminal import AsJson, in_words, out_console, shown

if TYPE_CHECKING:
    from survey.pipeline.run.status import Status

WATCH_S = 2.0
SHOWN_FAILURES = 12
SHOWN_IN_FLIGHT = 16


@app.command()
def status(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew until the run ends.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the state of a run: what is done, what failed, how long it will take."""
    from survey.pipeline.run.status import read_status

    found = read_status(root)
    if as_json:
        print(json.dumps(asdict(found)))
    elif watch and out_console.is_terminal:
        from rich.live import Live

        with Live(console=out_console, refresh_per_second=4) as live:
            while True:
                live.update(Group(*map(out_console.render_str, status_lines(found))))
                if not found.is_running:
                    break
                time.sleep(WATCH_S)
                found = read_status(root)
    else:
        while True:
            for line in status_lines(found):
                out_console.print(line, highlight=False, soft_wrap=True)
            if not (watch and found.is_running):
                break
            time.sleep(WATCH_S)
            found = read_status(root)


def status_lines(found: Status) -> Iterator[str]:
    """The state of a run in lines for people."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.items())
    detail = f" ({counts})" if counts else ""
    yield f"{found.state}: {found.n_done} of {found.n_galaxies} galaxies{detail}"
    if found.n_earlier:
        yield f"  {found.n_earlier} more were finished by earlier runs"
    if found.is_running:
        if found.rate_per_min:
            yield f"  {found.rate_per_min:.3g} galaxies a minute"
        if found.remaining_s:
            yield f"  {in_words(found.remaining_s)} to go"
        if found.driver:
            yield f"  by {shown(found.driver)}"
        for each in found.in_flight[:SHOWN_IN_FLIGHT]:
            where = f"{shown(each.worker)}, since {in_words(each.seconds, about=False)}"
            yield f"  {each.stage or 'waiting':>10}  {shown(each.galaxy)}  ({where})"
        if len(found.in_flight) > SHOWN_IN_FLIGHT:
            yield f"  ... and {len(found.in_flight) - SHOWN_IN_FLIGHT} more under way"
    for note in found.notes:
        yield f"  {shown(note)}"
    yield from _failures(found)


def _failures(found: Status) -> Iterator[str]:
    """The galaxies in quarantine, those of one cause together."""
    for message, galaxies in AlikeMessages(found.failures.items()):
        places = [_with_host(galaxy, found.hosts) for galaxy in galaxies]
        yield f"  [red]quarantined[/] {shown(named(places, SHOWN_FAILURES))}: {shown(message)}"


def _with_host(galaxy: str, hosts: Mapping[str, str]) -> str:
    return f"{galaxy} on {hosts[galaxy]}" if hosts.get(galaxy) else galaxy


@app.command()
def dashboard(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    port: Annotated[int, typer.Option(min=0, help="Port on this machine; 0 takes a free one.")] = 0,
) -> None:
    """Serve a live page of a run, going on or finished, to a browser on this machine."""
    from survey.dashboard.server import serve

    serve(root, port, on_start=lambda address: out_console.print(address, highlight=False))
