"""Gives galaxies to the workers: which start first, and what memory their worker needs.

Cost and memory are projected from the headers of the cubes, as if all spaxels had data. That is an
upper limit, good enough to order galaxies and to choose workers. The task of a galaxy projects its
real needs later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from survey.config import EngineSettings, Settings
from survey.errors import SurveyError
from survey.machine_faults import patiently
from survey.pipeline.galaxy.target import Target

if TYPE_CHECKING:
    from survey.engine.cluster import Cluster
    from survey.engine.drain import Drain
    from survey.engine.submit import Outcome, Task


SMALL_S = 30.0
"""Projected seconds below which a galaxy has no use for a second worker."""


class OfGalaxy(Protocol):
    """What a worker is given to do with one galaxy."""

    @property
    def target(self) -> Target:
        """The galaxy."""


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
    from survey.cubes.axes.cube_shape import cube_shape  # slow to load, as are the two below
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


def largest_first(work: Sequence[OfGalaxy], demands: Mapping[str, Demand]) -> list[Task]:
    """Tasks in the order in which they start, by the demands of their galaxies."""
    from survey.engine.submit import Task  # slow to load

    ordered = sorted(work, key=lambda one: demands[one.target.galaxy].seconds, reverse=True)
    return [
        Task(one.target.galaxy, one, demand.memory_bytes, demand.seconds)
        for one in ordered
        for demand in [demands[one.target.galaxy]]
    ]


def start_for(
    demands: Mapping[str, Demand],
    cluster: Cluster,
    engine: EngineSettings,
    *,
    warn: Callable[[str], None],
) -> None:
    """Start the cluster for galaxies of these demands if it does not run yet.

    A few small galaxies get no more local workers than there are galaxies: a process takes longer
    to start than they take to compute. Tiles of a large galaxy can use all.
    """
    from survey.engine.cluster import LazyCluster, started  # slow to load

    small = all(demand.seconds < SMALL_S for demand in demands.values())
    if small and isinstance(cluster, LazyCluster):
        cluster.use_at_most(len(demands))
    patiently(started, cluster, patience_s=engine.patience_s, warn=warn)


def run_on_workers(
    cluster: Cluster,
    function: Callable[[Any], Any],
    work: Sequence[OfGalaxy],
    demands: Mapping[str, Demand],
    root: Path,
    engine: EngineSettings,
    *,
    warn: Callable[[str], None],
    drain: Drain | None = None,
    span: str = "",
) -> Iterator[Outcome]:
    """Run a function on the work of every galaxy, and yield how each ends.

    The cluster is started if it does not run yet. Only workers take part that see the run
    directory `root` and the files of the galaxies. For the other parameters and for the errors see
    `survey.engine.submit.run_tasks`.
    """
    from survey.engine.cluster import started
    from survey.engine.preflight.admission import admission  # slow to load
    from survey.engine.submit import run_tasks
    from survey.engine.window import Window

    start_for(demands, cluster, engine, warn=warn)
    client = started(cluster)
    # Workers are asked for files; what is fetched from elsewhere has errors of its own.
    paths = [path for one in work for path in one.target.local_files]
    longest_s = max(demand.seconds for demand in demands.values())
    with admission(
        client, root, paths, warn, scratch=engine.scratch, longest_s=longest_s
    ) as admitted:
        yield from run_tasks(
            client,
            function,
            largest_first(work, demands),
            window=Window(engine.in_flight_per_worker),
            patience_s=engine.patience_s,
            drain=drain,
            drain_s=engine.drain_s,
            admitted=admitted,
            warn=warn,
            span=span,
        )
