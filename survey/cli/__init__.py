"""The command line: it parses options, calls the function that does the work, and prints.

Each module holds the commands of one subject and registers them with the application. The commands
of `survey latent` are in `survey.latents.cli`.
"""

from survey.cli import catalog, classes, cluster, cubes, export, planned, runs, simulated, status
from survey.cli.app import app, main
from survey.latents.cli import latent_app

app.add_typer(latent_app, name="latent")

__all__ = [
    "app",
    "catalog",
    "classes",
    "cluster",
    "cubes",
    "export",
    "main",
    "planned",
    "runs",
    "simulated",
    "status",
]
