"""The commands `survey latent ...`."""

from survey.latents.cli import evaluate, fetch, models, sources
from survey.latents.cli.app import latent_app

__all__ = ["evaluate", "fetch", "latent_app", "models", "sources"]
