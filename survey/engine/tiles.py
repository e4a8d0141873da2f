"""The pieces of one large galaxy, spread over all workers of the cluster.

A galaxy's task hands out pieces that are independent of one another, gives up its slot while it
waits, and takes in their small results. What the pieces work on is read from files, and what is
large among their results is written to files by the pieces themselves: nothing the size of the
galaxy travels through the scheduler, or is lost with a worker. Outside a cluster the same pieces
run in this process.
"""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from distributed import Client, Future, KilledWorker, as_completed, get_worker, worker_client

from survey.errors import ResourceError

ATTEMPTS = 3
"""How often a piece is tried whose worker dies, which need not be its own fault."""

PRIORITY = 100
"""Of pieces above whole galaxies: who has begun is to finish."""


def run_tiles(
    function: Callable[[Any, Any], Any],
    shared: Any,
    tiles: Iterable[Any],
    collect: Callable[[Any], None] = lambda result: None,
    *,
    folder: Path,
) -> None:
    """Call ``function(shared, tile)`` for all tiles, on as many workers as there are.

    Parameters
    ----------
    function : callable
        Importable by the workers. It may run twice for a tile.
    shared : object
        What all tiles need; every worker reads it once, from a file.
    tiles : iterable
        The dearest first.
    collect : callable
        Given every result here, in the order in which they arrive.
    folder : Path
        Where all workers can read.

    Raises
    ------
    ResourceError
        If a tile was lost with its worker again and again.
    """
    if n_slots() < 2:
        for tile in tiles:
            collect(function(shared, tile))
        return
    with worker_client() as client:
        run_on_cluster(client, function, shared, list(tiles), collect, folder=folder)


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
    function: Callable[[Any, Any], Any],
    shared: Any,
    tiles: list[Any],
    collect: Callable[[Any], None],
    *,
    folder: Path,
) -> None:
    """The same on the cluster of a client, without giving up a slot; see `run_tiles`."""
    file = folder / f"shared-{uuid.uuid4().hex}"
    file.write_bytes(pickle.dumps(shared))
    attempts = dict.fromkeys(range(len(tiles)), 1)
    number: dict[Future[Any], int] = {}

    def submit(n: int) -> Future[Any]:
        future = client.submit(_on_worker, function, file, tiles[n], pure=False, priority=PRIORITY)
        number[future] = n
        return future

    flying = as_completed([submit(n) for n in attempts])
    try:
        for future in flying:
            n = number.pop(future)
            if future.status == "error" and isinstance(error := future.exception(), KilledWorker):
                if attempts[n] == ATTEMPTS:
                    raise _lost(error)
                attempts[n] += 1
                flying.add(submit(n))
                continue
            collect(future.result())
    finally:
        client.cancel(list(number))
        file.unlink(missing_ok=True)


def _on_worker(function: Callable[[Any, Any], Any], file: Path, tile: Any) -> Any:
    return function(_shared(file), tile)


@lru_cache(maxsize=2)
def _shared(file: Path) -> Any:
    return pickle.loads(file.read_bytes())


def _lost(error: BaseException) -> ResourceError:
    return ResourceError(
        f"a part of the galaxy was lost with its worker {ATTEMPTS} times",
        expected="parts that fit the memory limit of every worker",
        found=str(error),
        advice="Give the workers more memory (engine.memory_limit).",
    )
