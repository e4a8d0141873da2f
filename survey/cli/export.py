"""The command that writes one galaxy for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from survey.cli.app import app
from survey.terminal import out_console


@app.command()
def export(
    root: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    galaxy: Annotated[str, typer.Argument(help="Its name in the catalog.")],
    out: Annotated[Path | None, typer.Option(help="Where to write (default: RUN/export).")] = None,
) -> None:
    """Write a galaxy as FITS maps with WCS, spectra, DS9 regions and a PDF figure."""
    from survey.api.runs import open
    from survey.export.galaxy import FOLDER

    for path in open(root).result(galaxy).export(out or root / FOLDER):
        out_console.print(f"wrote {escape(str(path))}", highlight=False, soft_wrap=True)
