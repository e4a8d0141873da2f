"""Shared by all commands: consoles, options, exit codes, messages, progress bars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from catalogs.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.text import Text

EXIT_BUG = 1
EXIT_CHECK_FAILED = 1
EXIT_USAGE = 2
EXIT_QUARANTINED = 64
"""Some galaxies are quarantined, or some files could not be read."""
EXIT_RESUMABLE = 75


class PrintableConsole(Console):
    """A console that shows what does not print as escapes, wherever the text comes from."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Text with its markup, and without anything that a terminal would obey."""
        return super().render_str(printable(text, keep="\n\t"), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as `rich` does; paths are text."""
        texts = (str(each) if isinstance(each, Path) else each for each in objects)
        super().print(*texts, **options)


out_console = PrintableConsole()
err_console = PrintableConsole(stderr=True)

WHERE = "Where it runs"
OUTPUT = "What it shows and writes"

Redshift = Annotated[
    float, typer.Option(help="Redshift (default: from the header).", show_default=False)
]
Seed = Annotated[int, typer.Option(help="Seed of the random numbers.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=OUTPUT)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.", rich_help_panel=OUTPUT)]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="An existing Dask scheduler, tls://HOST:PORT (`survey cluster certificates`), or "
        "tcp://127.0.0.1:PORT of this machine.",
        rich_help_panel=WHERE,
    ),
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure",
        help="Do not encrypt connections: anyone who can reach a port can run any code as you.",
        rich_help_panel=WHERE,
    ),
]
ClusterFile = Annotated[
    Path | None,
    typer.Option(
        "--cluster",
        help="TOML file with kind = local, existing, ssh, slurm or kubernetes; examples are in the "
        "repository, deploy/.",
        rich_help_panel=WHERE,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Worker processes on this machine; 0: none but the command's own.",
        rich_help_panel=WHERE,
    ),
]


def shown(text: object) -> str:
    """A name or a message on one line of a terminal: nothing in it is markup or ends the line."""
    return escape(printable(text))


def shown_lines(text: str) -> str:
    """A message of several lines, each as of `shown`: names in it must have been made printable."""
    return "\n".join(map(shown, text.split("\n")))


def in_words(seconds: float, *, about: bool = True) -> str:
    """A duration as people say it: "about 45 min"."""
    minutes = seconds / 60
    if seconds < 90:
        text = f"{seconds:.0f} s"
    elif minutes < 90:
        text = f"{minutes:.0f} min"
    else:
        text = f"{minutes / 60:.1f} h" if minutes < 2880 else f"{minutes / 1440:.1f} days"
    return f"about {text}" if about else text


def print_error(message: object) -> None:
    """Print a message as an error; brackets in it are not markup."""
    text = f"[bold red]error:[/] {escape(str(message))}"
    err_console.print(text, highlight=False, soft_wrap=True)


def print_warning(message: str) -> None:
    """Print something that does not stop the work."""
    text = f"[bold yellow]warning:[/] {escape(message)}"
    err_console.print(text, highlight=False, soft_wrap=True)


def progress_bar(*, quiet: bool) -> Progress:
    """Progress bars that count; the description of a task says what.

    Where the output is no terminal there are none.
    """
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=err_console,
        disable=quiet or not err_console.is_terminal,
    )
