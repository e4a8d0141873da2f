"""The command line: it parses options, calls the function that does the work, and prints.

Each module holds the commands of one subject and registers them with the application. The commands
of `survey latent` are in `survey.latents.cli`.
"""

from survey.cli import (
    catalog,
    classes,
    cluster,
    cubes,
    export,
    fetch,
    planned,
    runs,
    simulated,
    status,
    validation,
)
from survey.cli.app import app, guard_paths, main
from survey.cli.help import arrange
from survey.latents.cli import latent_app

app.add_typer(latent_app, name="latent")
guard_paths(app)
arrange(app)

__all__ = [
    "app",
    "catalog",
    "classes",
    "cluster",
    "cubes",
    "export",
    "fetch",
    "main",
    "planned",
    "runs",
    "simulated",
    "status",
    "validation",
]
