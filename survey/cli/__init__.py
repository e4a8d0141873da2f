"""The command line: it parses, calls one function, and prints.

Each module holds the commands of one subject and registers them with the application.
"""

from survey.cli import (
    catalog,
    classes,
    cubes,
    latent,
    latent_evaluate,
    latent_fetch,
    runs,
    simulated,
)
from survey.cli.app import app, main

__all__ = [
    "app",
    "catalog",
    "classes",
    "cubes",
    "latent",
    "latent_evaluate",
    "latent_fetch",
    "main",
    "runs",
    "simulated",
]
