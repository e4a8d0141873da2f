"""Which galaxies come first, and what memory their worker had better have.

Both are projected from the headers of the cubes, as if all their spaxels had data. That is
an upper limit, good enough to put galaxies in order and to choose between workers; what
a galaxy does need, it finds out itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from survey.config import Settings
from survey.cubes.glance import cube_shape
from survey.engine.costs import REFERENCE_LAGS, Work
from survey.engine.memory import project
from survey.pipeline.targets import Target


@dataclass(frozen=True)
class Demand:
    """Seconds on one core, and bytes of memory, that a galaxy may take."""

    seconds: float = 0.0
    memory_bytes: float = 0.0


def projected_demand(target: Target, settings: Settings) -> Demand:
    """What a galaxy may take; nothing if its files cannot tell."""
    shapes = [shape for file in target.files if (shape := cube_shape(file)) is not None]
    if not shapes:
        return Demand()
    n_plane = sum(planes for planes, _, _ in shapes)
    n_spaxel = max(y * x for _, y, x in shapes)
    shift = settings.distance.shift
    # A velocity is so many samples of a grid that is not known yet.
    max_shift = shift if isinstance(shift, int) else REFERENCE_LAGS // 2
    work = Work(n_spaxel, n_plane, max_shift, settings.distance.dtype)
    projection = project(work, path=settings.linkage.path)
    return Demand(projection.seconds, projection.peak_bytes)
