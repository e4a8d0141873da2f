"""The tiles of one large galaxy, spread over all workers of the cluster.

A tile is a piece of work that is independent of the others. The task of the galaxy submits its
tiles, gives up its slot while it waits, and collects their small results. Tiles read their input
from files and write large results to files: nothing the size of the galaxy travels through the
scheduler or is lost with a worker. Outside a cluster the tiles run in this process.
"""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from distributed import Client, Future, KilledWorker, as_completed, get_worker, worker_client

from survey.errors import WorkersLost
from survey.machine_faults import machine_error

ATTEMPTS = 3
"""How often a tile is tried whose worker dies: the tile need not be the cause."""

PRIORITY = 100
"""Tiles go before whole galaxies, so that a galaxy that has begun is finished first."""


class RunTiles(Protocol):
    """Runs tiles, in this process or on the cluster."""

    def __call__(
        self,
        function: Callable[[Any, Any], Any],
        shared: Any,
        tiles: Sequence[Any],
        collect: Callable[[Any], None] = lambda result: None,
    ) -> None:
        """Call ``function(shared, tile)`` for all tiles.

        Parameters
        ----------
        function : callable
            Importable by the workers. It may run twice for a tile.
        shared : object
            What all tiles need; every worker reads it once, from a file.
        tiles : sequence
            The most expensive first.
        collect : callable
            Given every result here, in the order in which they arrive.

        Raises
        ------
        WorkersLost
            If a tile was lost with its worker again and again.
        """


@contextmanager
def tile_runner(folder: Path) -> Iterator[RunTiles]:
    """Run tiles on all workers; the slot of the task is free meanwhile.

    `folder` is one that all workers see.
    """
    if n_slots() < 2:
        yield _run_here
        return
    with worker_client() as client:
        yield partial(run_on_cluster, client, folder)


def _run_here(
    function: Callable[[Any, Any], Any],
    shared: Any,
    tiles: Sequence[Any],
    collect: Callable[[Any], None] = lambda result: None,
) -> None:
    for tile in tiles:
        collect(function(shared, tile))


def n_slots() -> int:
    """How many tasks the cluster of this task can run at once; 0 outside a cluster."""
    try:
        worker = get_worker()
    except ValueError:
        return 0
    nthreads = worker.client.nthreads() if hasattr(worker, "client") else {}
    return sum(nthreads.values())


def run_on_cluster(
    client: Client,
    folder: Path,
    function: Callable[[Any, Any], Any],
    shared: Any,
    tiles: Sequence[Any],
    collect: Callable[[Any], None] = lambda result: None,
) -> None:
    """Run tiles on the cluster of a client; see `RunTiles`."""
    if len(tiles) < 2:
        _run_here(function, shared, tiles, collect)
        return
    file = folder / f"shared-{uuid.uuid4().hex}"
    file.write_bytes(pickle.dumps(shared))
    attempts = dict.fromkeys(range(len(tiles)), 1)
    number: dict[Future[Any], int] = {}

    def submit(n: int) -> Future[Any]:
        future = client.submit(_on_worker, function, file, tiles[n], pure=False, priority=PRIORITY)
        number[future] = n
        return future

    in_flight = as_completed([submit(n) for n in attempts])
    try:
        for future in in_flight:
            n = number.pop(future)
            if future.status == "error" and isinstance(error := future.exception(), KilledWorker):
                if attempts[n] == ATTEMPTS:
                    raise _lost(error)
                attempts[n] += 1
                in_flight.add(submit(n))
                continue
            collect(future.result())
    finally:
        client.cancel(list(number))
        file.unlink(missing_ok=True)


def _on_worker(function: Callable[[Any, Any], Any], file: Path, tile: Any) -> Any:
    try:
        return function(_shared(file), tile)
    except Exception as error:
        if fault := machine_error(error, place=file.parent):
            raise fault from error  # Causes would be lost on the way.
        raise


@lru_cache(maxsize=2)
def _shared(file: Path) -> Any:
    return pickle.loads(file.read_bytes())


def _lost(error: BaseException) -> WorkersLost:
    return WorkersLost(
        f"a tile of the galaxy was lost with its worker {ATTEMPTS} times",
        expected="tiles that fit the memory limit of every worker",
        found=str(error),
        advice="Give the workers more memory (engine.memory_limit).",
        n_deaths=ATTEMPTS,
    )
