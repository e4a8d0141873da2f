"""Spans of Dask: one for the run, one for the tiles of each large galaxy.

Dask sums what its workers measure over spans (its page "Fine performance metrics"). All galaxies of
a run share one, since Dask keeps every span for ever; within it each stage is an activity of its
own. Tiles have a span for each galaxy, for example "distances NGC 7469".
"""

from __future__ import annotations

import uuid
from typing import Any

from dask.base import get_annotations
from dask.typing import Key
from distributed import span

from catalogs.printable import printable

SURVEY = "survey"
"""The first tag of all our spans."""


def annotations_of_span(*tags: str) -> dict[str, Any]:
    """Annotations that put all tasks submitted with them into one span.

    The span is within that of the task that asks, if it has one.
    """
    with span(*(printable(tag) for tag in tags)):
        return dict(get_annotations())


def tile_keys(at: str) -> tuple[str, str]:
    """The group of the keys of some tiles, and what they are named; `at` is "STAGE GALAXY".

    Dask's bars count tasks by the name before the number of the group: tiles of one stage share
    a bar, and tiles of one galaxy a span.
    """
    stage = at.partition(" ")[0] or "tile"
    return f"{stage}-{uuid.uuid4().hex}", printable(at)


def tile_key(keys: tuple[str, str], number: int) -> Key:
    """The key of one tile; it may be tried again, so that the number alone is not enough."""
    return (*keys, number, uuid.uuid4().hex)
