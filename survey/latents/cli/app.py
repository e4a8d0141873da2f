"""Shared by the commands of `survey latent`: their group, and reading spectra."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from survey.terminal import print_error, progress_bar

if TYPE_CHECKING:
    from survey.latents.grid import Grid
    from survey.latents.spectra import SpectrumSet

latent_app = typer.Typer(
    help="Spectra as a few numbers: fit, encode, compare and evaluate.", no_args_is_help=True
)


def load_spectra(inputs: list[Path], grid: Grid | None, *, quiet: bool) -> tuple[SpectrumSet, bool]:
    """The spectra, and whether some files could not be read; their errors are printed."""
    from survey.latents.run.inputs import load_inputs

    with progress_bar(quiet=quiet) as progress:
        bar = progress.add_task("files", total=None)
        loaded = load_inputs(inputs, grid=grid, on_file=lambda file: progress.advance(bar))
    for error in loaded.failures:
        print_error(error)
    assert loaded.spectra is not None
    return loaded.spectra, bool(loaded.failures)
