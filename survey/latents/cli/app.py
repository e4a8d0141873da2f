"""Shared by the commands of `survey latent`: their group, and reading spectra."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from survey.errors import ConfigError
from survey.terminal import print_error, print_warning, progress_bar

if TYPE_CHECKING:
    from survey.latents.grid import Grid
    from survey.latents.spectra import SpectrumSet
    from survey.latents.xray.spectra import BackgroundPolicy

latent_app = typer.Typer(
    help="Spectra as a few numbers: fit, encode, compare and evaluate.", no_args_is_help=True
)

Background = Annotated[
    str,
    typer.Option(
        "--background",
        help="Of pulse-height files that name one: required, optional (read without it, with a "
        "warning), or none.",
    ),
]
ResponseFile = Annotated[
    Path | None,
    typer.Option("--response", help="RMF of all pulse-height files (default: as they name it)."),
]


def background_policy(background: str) -> BackgroundPolicy:
    """What is done about backgrounds, as typed.

    Raises
    ------
    ConfigError
        If there is no such way to treat them.
    """
    from survey.latents.xray.spectra import BACKGROUND_POLICIES

    policy = next((known for known in BACKGROUND_POLICIES if known == background), None)
    if policy is None:
        raise ConfigError(
            "--background cannot be", expected=", ".join(BACKGROUND_POLICIES), found=background
        )
    return policy


def load_spectra(
    inputs: list[Path],
    grid: Grid | None,
    *,
    quiet: bool,
    background: str = "required",
    response: Path | None = None,
) -> tuple[SpectrumSet, bool]:
    """The spectra, and whether some files could not be read; their errors are printed.

    Raises
    ------
    ConfigError
        If there is no such way to treat backgrounds.
    """
    from survey.latents.run.inputs import load_inputs

    policy = background_policy(background)
    with progress_bar(quiet=quiet) as progress:
        bar = progress.add_task("files", total=None)
        loaded = load_inputs(
            inputs,
            grid=grid,
            background=policy,
            response=response,
            on_file=lambda file: progress.advance(bar),
        )
    for error in loaded.failures:
        print_error(error)
    assert loaded.spectra is not None
    if without := sum(not one.response for one in loaded.facts):
        print_warning(
            f"{without} of {len(loaded.facts)} spectra have no response: their shapes are "
            "compared as counted"
        )
    return loaded.spectra, bool(loaded.failures)
