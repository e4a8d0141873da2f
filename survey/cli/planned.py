"""The command that says what a run would compute, and why."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from survey.cli.app import app
from survey.pipeline.run.records.alike import named
from survey.terminal import AsJson, out_console

if TYPE_CHECKING:
    from survey.pipeline.run.work_to_do import GalaxyWork

NAMED = 5
"""Galaxies of a group that are named."""


@app.command()
def plan(
    run: Annotated[
        Path, typer.Argument(metavar="RUN|SURVEY.toml", help="A run directory, or its settings.")
    ],
    out: Annotated[Path | None, typer.Option(help="The run directory.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting, for example cut.k=6. Repeatable."),
    ] = None,
    verify_inputs: Annotated[
        bool, typer.Option("--verify-inputs", help="Read all cubes, to see changes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what `survey run` would compute, and why; nothing is computed or written."""
    from survey.pipeline.reference import SETTINGS_FILE
    from survey.pipeline.run.plan import parse_overrides, plan_run
    from survey.pipeline.run.work_to_do import work_to_do

    planned = plan_run(
        [run / SETTINGS_FILE if run.is_dir() else run],
        out=out or (run if run.is_dir() else None),
        verify_inputs=verify_inputs,
        overrides=parse_overrides(setting or []),
    )
    work = list(work_to_do(planned))
    if as_json:
        print(json.dumps([asdict(galaxy) for galaxy in work]))
    else:
        _print(work)


def _print(work: Iterable[GalaxyWork]) -> None:
    """Print galaxies with the same stages and reasons together."""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...], bool], list[GalaxyWork]] = defaultdict(
        list
    )
    n_finished = 0
    for galaxy in work:
        if galaxy.is_finished:
            n_finished += 1
        else:
            groups[galaxy.stages, galaxy.reasons, bool(galaxy.files_to_read)].append(galaxy)
    for (stages, reasons, is_doubtful), galaxies in groups.items():
        names = named([galaxy.galaxy for galaxy in galaxies], NAMED)
        what = f"compute {', '.join(stages)}" if stages else ""
        if is_doubtful:
            otherwise = "everything is computed again if their content has changed"
            what = f"read the files; {otherwise}, else {what or 'nothing'}"
        _say(f"{_counted(len(galaxies))}: {what or 'nothing'}  ({names})")
        for reason in reasons:
            _say(f"    {reason}")
        for file in [file for galaxy in galaxies for file in galaxy.files_to_read][:NAMED]:
            _say(f"    {file}")
    _say(f"{_counted(n_finished)} finished")


def _counted(number: int) -> str:
    return f"{number} {'galaxy' if number == 1 else 'galaxies'}"


def _say(text: str) -> None:
    out_console.print(text, highlight=False, markup=False, soft_wrap=True)
