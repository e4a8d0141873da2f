"""Latent representations of spectra, and the spectra to learn them from."""

from __future__ import annotations

import typer

from survey.cli.app import app

latent_app = typer.Typer(
    help="Compress spectra to a few numbers, and see what these keep.", no_args_is_help=True
)
app.add_typer(latent_app, name="latent")
