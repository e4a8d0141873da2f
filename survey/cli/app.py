"""The application: its errors and exit codes, and the options for the engine."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.markup import escape

from catalogs.places.addresses import local_path
from survey import __version__
from survey.cli.signals import handle_signals
from survey.errors import ConfigError, InfrastructureError, SurveyError
from survey.loading import own_process
from survey.machine_faults import machine_error
from survey.terminal import (
    EXIT_BUG,
    EXIT_RESUMABLE,
    EXIT_USAGE,
    err_console,
    out_console,
    print_error,
    print_warning,
)

_WRITTEN = ("out", "path", "root")
"""Parameters of commands that say where they write, for faults that name no file."""

_DASK_SETTINGS = "A dask config file at"
"""How Dask begins its error about one that it cannot read; loading Dask reads them."""

EXIT_INTERRUPTED_BY_TYPER = 130
INTERRUPTED = "interrupted; run the same command again to continue"

app = typer.Typer(
    name="survey",
    help="Clusters of similar spectra in archives of integral-field cubes.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
)


def main() -> None:
    """Run the command line; a `SurveyError` becomes one line and an exit code."""
    _open_closed_streams()
    warnings.showwarning = _show_warning
    own_process()
    handle_signals()
    try:
        Path.cwd()
    except OSError:
        fail("the current directory does not exist any more: change to another", EXIT_USAGE)
    try:
        code = app(standalone_mode=False)  # the code of `typer.Exit`, or None
    except (typer.Abort, KeyboardInterrupt):
        fail(INTERRUPTED, EXIT_RESUMABLE)
    except InfrastructureError as error:
        fail(str(error), EXIT_RESUMABLE)
    except Exception as error:
        _fail_for(error)
    if code == EXIT_INTERRUPTED_BY_TYPER:
        fail(INTERRUPTED, EXIT_RESUMABLE)
    sys.exit(code or 0)


def _open_closed_streams() -> None:
    """Open what the caller closed (`2>&-`), so that no file of ours gets its number."""
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            # The lowest free number is taken: they are opened in their order.
            with suppress(OSError):
                opened = os.open(os.devnull, os.O_RDWR)
                if opened != descriptor:
                    os.dup2(opened, descriptor)
                    os.close(opened)
                setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115


def guard_paths(application: typer.Typer) -> None:
    """Refuse URLs for all parameters of commands that are paths; what may be a URL is text.

    Faults of a disk that name no file get the path that the command writes to.
    """
    for command in application.registered_commands:
        if command.callback is not None:
            command.callback = _guarded(command.callback)
    for group in application.registered_groups:
        if group.typer_instance is not None:
            guard_paths(group.typer_instance)


def _guarded(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def checked(**given: Any) -> Any:
        for value in given.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Path):
                    local_path(one)
        try:
            return callback(**given)
        except Exception as error:
            place = next((given[name] for name in _WRITTEN if given.get(name)), None)
            if (fault := machine_error(error, place=place)) is None:
                raise
            raise fault from error

    return checked


def _fail_for(error: Exception) -> None:
    """Print an error, and end with the exit code of its kind."""
    if (fault := machine_error(error)) is not None:
        fail(str(fault), EXIT_RESUMABLE)
    if isinstance(error, SurveyError):
        fail(str(error), EXIT_USAGE)
    if isinstance(error, OSError):
        fail(f"{error.filename or 'a file'}: {error.strerror or error}", EXIT_USAGE)
    if isinstance(error, ValueError) and str(error).startswith(_DASK_SETTINGS):
        fail(" ".join(str(error).split()), EXIT_USAGE)
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's usage errors
        fail(error.format_message(), EXIT_USAGE)
    # In plain text: an error may quote what a file holds.
    text = "".join(traceback.format_exception(error))
    err_console.print(text, markup=False, highlight=False, soft_wrap=True)
    sys.exit(EXIT_BUG)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if category.__module__.partition(".")[0] in ("survey", "catalogs"):
        print_warning(str(message))
    else:
        text = warnings.formatwarning(message, category, filename, lineno)
        err_console.print(escape(text), end="", highlight=False, soft_wrap=True)


def fail(message: str, code: int) -> None:
    """Print an error and end with an exit code."""
    print_error(message)
    sys.exit(code)


def engine_overrides(
    workers: int | None, scheduler: str | None, cluster: Path | None, *, insecure: bool = False
) -> dict[str, Any]:
    """Settings of the engine from the options of a command line.

    Raises
    ------
    ConfigError
        If a cluster file is given together with --workers or --scheduler.
    """
    if cluster is not None and (workers is not None or scheduler is not None):
        raise ConfigError(
            "--cluster cannot be combined with --workers or --scheduler",
            found=f"--workers {workers}" if workers is not None else f"--scheduler {scheduler}",
            advice="Set these in the cluster file.",
        )
    given = {
        "workers": workers,
        "scheduler": scheduler,
        "cluster": None if cluster is None else str(cluster.resolve()),
        "insecure": insecure or None,
    }
    return {name: value for name, value in given.items() if value is not None}


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
