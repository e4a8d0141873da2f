"""A run in which nothing is left to do, found out without a cluster."""

from __future__ import annotations

from collections.abc import Sequence

from catalogs.durable import find_damage
from catalogs.errors import CatalogError
from catalogs.parts import Receipt
from survey.errors import SurveyError
from survey.pipeline.galaxy import STAGES, Galaxy
from survey.pipeline.task import GalaxyReport, GalaxyTask, process_galaxy

MOST_BYTES = 2**30
"""Larger surveys are not looked through here: this process hashes one cube at a time."""


def reports_of_finished(tasks: Sequence[GalaxyTask]) -> list[GalaxyReport] | None:
    """Reports of all galaxies if every one of them is finished, else None.

    Nothing is computed, but pictures that are missing are drawn. Whether a part still belongs
    to its files takes reading them all, so None is also the answer where they are large.
    """
    files = [file for task in tasks for file in task.target.files]
    if sum(file.stat().st_size for file in files if file.is_file()) > MOST_BYTES:
        return None
    if not all(_is_finished(task) for task in tasks):
        return None
    return [process_galaxy(task) for task in tasks]


def _is_finished(task: GalaxyTask) -> bool:
    """Whether the last part of a galaxy is there and sound; a damaged one is left as it is."""
    galaxy = Galaxy(task.target, task.settings, task.root)
    stage = STAGES[-1]
    folder = galaxy.parts.path(task.target.galaxy, stage, "").parent
    if not any(folder.glob(f"{stage}-*")):
        return False  # before a byte of its files is read
    try:
        path = galaxy.parts.path(task.target.galaxy, stage, galaxy.keys[stage])
        return find_damage(path, Receipt.read(path).files, full=True) is None
    except (CatalogError, SurveyError, OSError):
        return False
