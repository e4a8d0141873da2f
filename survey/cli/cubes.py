"""The command that inspects single cubes before a survey."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from survey.cli.app import app
from survey.errors import SurveyError
from survey.terminal import EXIT_QUARANTINED, AsJson, Redshift, out_console, print_error, shown

if TYPE_CHECKING:
    from survey.cubes.readers.guess import Guess


@app.command()
def inspect(
    cubes: Annotated[list[str], typer.Argument(help="FITS cubes: paths, https:// or s3://.")],
    redshift: Redshift = math.nan,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, for example read.reader=muse. Repeatable."),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory limit of one worker, for example 4GiB.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a cube is, which lines it covers, and what its clustering will cost."""
    from survey.config import build_settings
    from survey.cubes.registry import guess_generic
    from survey.engine.worker_memory import parse_memory
    from survey.pipeline.run.inspect import inspect_with_projection, summary_rows, with_generic
    from survey.pipeline.run.plan import parse_overrides

    settings = build_settings(parse_overrides(setting or []), source="command line")
    memory_bytes = None if memory is None else parse_memory(memory)
    failed = False
    for cube in cubes:
        guess = None
        try:
            guess = guess_generic(cube, settings.read)
            with_guess = settings if guess is None else with_generic(settings, guess)
            summary, projection = inspect_with_projection(
                cube, with_guess, redshift, memory_bytes=memory_bytes
            )
        except SurveyError as error:
            print_error(error)
            failed = True
            if guess is not None and not as_json:
                _print_guess(guess)
            continue
        failed |= guess is not None
        if as_json:
            facts = asdict(summary) | {"projection": projection.as_facts()}
            if guess is not None:
                facts["generic"] = guess.values
            print(json.dumps(facts, default=str))
            continue
        out_console.rule(shown(cube), align="left")
        for name, value in summary_rows(summary, projection):
            out_console.print(f"[bold]{name:>18}[/]  {shown(value)}", highlight=False)
        if guess is not None:
            _print_guess(guess)
    if failed:
        raise typer.Exit(EXIT_QUARANTINED)


def _print_guess(guess: Guess) -> None:
    """Say how a cube that no reader recognises may be read, in a form to paste."""
    out_console.print(
        "No reader recognises this cube. Check these guesses, and put them into survey.toml:"
    )
    # Without wrapping, which would break the lines of the table.
    print(f"\n{guess.toml()}", end="")
