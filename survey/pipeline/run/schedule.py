"""Which galaxies are finished already, which start first, and what memory their worker needs.

Cost and memory are projected from the headers of the cubes, as if all spaxels had data. That is an
upper limit, good enough to order galaxies and to choose workers. The task of a galaxy projects its
real needs later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalogs.durable import find_damage
from catalogs.parts import Receipt
from survey.config import Settings
from survey.cubes.files.input_file import size_of
from survey.errors import SurveyError, Unconfirmed
from survey.pipeline.galaxy.runner import LAST, GalaxyRunner
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyReport, GalaxyTask, process_galaxy

MOST_BYTES = 2**30
"""Larger surveys are not checked here, because this process hashes one cube at a time."""


@dataclass(frozen=True)
class Demand:
    """Projected seconds on one core and bytes of memory of a galaxy."""

    seconds: float = 0.0
    memory_bytes: float = 0.0


def projected_demand(target: Target, settings: Settings) -> Demand:
    """Projected demand of a galaxy; zero if its headers cannot be read or mean nothing.

    This is the only look of the driver at cubes, and it must not stop a survey: its errors are
    found again by the task of the galaxy, which says what they are.
    """
    from survey.cubes.registry import cube_shape  # slow to load, as are the two below
    from survey.pipeline.galaxy.choose_tree_path import project_cost
    from survey.pipeline.galaxy.costs import Work

    shapes = [shape for file in target.files if (shape := cube_shape(file)) is not None]
    if not shapes:
        return Demand()
    n_plane = sum(planes for planes, _, _ in shapes)
    n_spaxel = max(y * x for _, y, x in shapes)
    try:
        projection = project_cost(Work.of(n_spaxel, n_plane, settings), path=settings.linkage.path)
        return Demand(float(projection.seconds), float(projection.peak_bytes))
    except (ArithmeticError, ValueError, SurveyError):
        return Demand()


def reports_of_finished(tasks: Sequence[GalaxyTask]) -> list[GalaxyReport] | None:
    """Reports of all galaxies if every one of them is finished, else None.

    Nothing is computed, but missing figures are drawn. To check that a part still belongs to its
    files, all files are read; so the result is also None where they are large.
    """
    files = [file.local for task in tasks for file in task.target.files]
    here = [file for file in files if file is not None]
    if len(here) < len(files):
        return None  # Workers ask the servers beside each other.
    if sum(map(size_of, here)) > MOST_BYTES:
        return None
    if not all(_is_finished(task) for task in tasks):
        return None
    try:
        return [process_galaxy(task) for task in tasks]
    except Unconfirmed:
        return None


def _is_finished(task: GalaxyTask) -> bool:
    """Whether the last part of a galaxy exists and is undamaged; nothing is changed."""
    galaxy = GalaxyRunner(task.target, task.settings, task.root)
    folder = galaxy.parts.path(task.target.galaxy, LAST, "").parent
    if not any(folder.glob(f"{LAST}-*")):
        return False  # before a byte of its files is read
    try:
        path = galaxy.parts.path(task.target.galaxy, LAST, galaxy.keys[LAST])
        return find_damage(path, Receipt.read(path).files, full=True) is None
    except (SurveyError, OSError):
        return False
