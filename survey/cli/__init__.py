"""The command line: it parses, calls one function, and prints.

Each module holds the commands of one subject and registers them with the application; those of
`survey latent` stand with the latents.
"""

from survey.cli import catalog, classes, cubes, runs, simulated
from survey.cli.app import app, main
from survey.latents.cli import latent_app

app.add_typer(latent_app, name="latent")

__all__ = ["app", "catalog", "classes", "cubes", "main", "runs", "simulated"]
