"""What processes that were killed leave in a run directory, and its removal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from catalogs.owners import Process, remove_abandoned

PLACES = (
    ".inflight/*",  # parts
    "cubes/.*.partial",  # stores
    "cubes/.*.replaced",
    ".*.unfinished",  # files; see `catalogs.durable.replacing`
    "*/.*.unfinished",
)
"""Where unfinished work is, as patterns; the names tell of which process it is."""


def unfinished_work(root: Path) -> Iterator[Path]:
    """All unfinished parts, stores and files of a run, of running processes as well."""
    for place in PLACES:
        yield from sorted(root.glob(place))


def sweep_leftovers(root: Path) -> list[Path]:
    """Remove the unfinished work of processes that do not run any more.

    Work of running processes stays, and so does that of other machines unless it has not changed
    for hours (`catalogs.owners.ABANDONED_S`). Workers sweep too, so that of the machines of the
    cluster everything goes.

    Returns
    -------
    list of Path
        What was removed.
    """
    return remove_abandoned(unfinished_work(root), root)


def sweep_once(root: Path) -> None:
    """Sweep the leftovers of a run, the first time that this process calls it."""
    _sweep_once(root, Process.current())


@cache
def _sweep_once(root: Path, process: Process) -> None:
    sweep_leftovers(root)
