"""The tiles of one large galaxy: computed by its own task, and by workers that have nothing to do.

A tile is a piece of work that is independent of the others. The task of the galaxy computes one
after the other, and gives some to slots that are idle while no galaxy waits. So it keeps its slot:
no worker begins another large galaxy, with memory and scratch files of its own, while it waits for
the first. Tiles read their input from files and write large results to files: nothing the size of
the galaxy travels through the scheduler or is lost with a worker. Outside a cluster all tiles run
in this process.
"""

from __future__ import annotations

import pickle
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from dask.base import annotate
from distributed import Client, Future, KilledWorker, get_worker, worker_client
from distributed.comm.addressing import get_address_host

from survey.cubes.node_scratch import is_on_node
from survey.engine.attempt import ResultLostError, fetched
from survey.engine.observe.spans import annotations_of_span, tile_key, tile_keys
from survey.engine.stage_events import stage_here
from survey.errors import WorkersLost
from survey.machine_faults import machine_error

ATTEMPTS = 3
"""How often a tile is tried whose worker dies: the tile need not be the cause."""

PRIORITY = 100
"""Tiles go before whole galaxies, so that a galaxy that has begun is finished first."""

LOOK_S = 1.0
"""How often to look for idle slots."""


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
    """Run tiles here and on idle slots of the cluster.

    `folder` is one that all workers see, or those of this machine if it is on a disk of it.
    """
    if n_slots() < 2:
        yield _run_here
        return
    with worker_client(separate_thread=False) as client:
        host = get_address_host(get_worker().address) if is_on_node(folder) else None
        yield partial(run_on_cluster, client, folder, host=host)


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
    *,
    host: str | None = None,
) -> None:
    """Run tiles here and on idle slots, of one host if it is given; see `RunTiles`."""
    if len(tiles) < 2:
        _run_here(function, shared, tiles, collect)
        return
    file = folder / f"shared-{uuid.uuid4().hex}"
    file.write_bytes(pickle.dumps(shared))
    helpers = _Helpers(client, function, file, tiles, host)
    try:
        with helpers.at_work():
            while (number := helpers.take()) is not None:
                collect(function(shared, tiles[number]))
                helpers.collect(collect)
            while helpers.collect(collect, wait=True):
                if (number := helpers.take()) is not None:  # It came back.
                    collect(function(shared, tiles[number]))
    finally:
        file.unlink(missing_ok=True)


class _Helpers:
    """Idle slots that compute tiles, while the task of the galaxy computes others itself.

    A tile that fails elsewhere comes back and is computed by the task: what it lacks there, it may
    have here, and else the error is its own.
    """

    def __init__(
        self,
        client: Client,
        function: Callable[[Any, Any], Any],
        file: Path,
        tiles: Sequence[Any],
        host: str | None,
    ) -> None:
        self.client, self.function, self.file, self.tiles = client, function, file, tiles
        self.host = host
        # The threads that give tiles out have no annotations of their own.
        at = stage_here() or "tiles"
        self._keys, self._span = tile_keys(at), annotations_of_span(at)
        self._waiting = deque(range(len(tiles)))
        self._deaths = dict.fromkeys(self._waiting, 0)
        self._given: dict[Future[Any], tuple[int, str]] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._avoided: set[str] = set()
        self._gone: set[Future[Any]] = set()
        # Held while a tile is neither waiting nor given: nobody may take it for done then.
        self._between = threading.Lock()
        self._look_now, self._over = threading.Event(), threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Give tiles to idle slots while the block runs; then take back what is not done."""
        thread = threading.Thread(target=self._give_out, name="tiles", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._look_now.set()
            thread.join()
            self.client.cancel(list(self._given))

    def take(self) -> int | None:
        """The number of the next tile, which nobody else will compute."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def collect(self, collect: Callable[[Any], None], *, wait: bool = False) -> bool:
        """Collect the results that have arrived; wait for one, if there are any to come.

        Returns
        -------
        bool
            Whether there may be more.

        Raises
        ------
        WorkersLost
            If a tile was lost with its worker again and again.
        """
        while not self._ended.empty() or (wait and self._given):
            future = self._ended.get()
            number, address = self._given.pop(future)
            self._look_now.set()
            error = future.exception() if future.status == "error" else None
            if future.status == "finished":
                try:
                    result = fetched(future)
                except ResultLostError:
                    self._waiting.appendleft(number)
                else:
                    collect(result)
            else:
                if isinstance(error, KilledWorker):
                    self._deaths[number] += 1
                    if self._deaths[number] == ATTEMPTS:
                        raise _lost(error)
                else:
                    self._avoided.add(address)
                self._waiting.appendleft(number)
            wait = False
        with self._between:
            return bool(self._given or self._waiting)

    def _give_out(self) -> None:
        while not self._over.is_set():
            self._look_now.clear()
            if self._waiting or self._given:
                free, alive = self.client.run_on_scheduler(slots, host=self.host)
                for address in free if self._waiting else ():
                    if address not in self._avoided and not self._over.is_set():
                        self._give(address)
                self._take_back(set(alive))
            self._look_now.wait(LOOK_S)

    def _take_back(self, alive: set[str]) -> None:
        """Cancel tiles of workers that are gone: a tile that was sent too late waits for ever.

        Only at the second look, because a death is told to the future itself first.
        """
        gone = {
            future
            for future, (_, address) in list(self._given.items())
            if address not in alive and future.status == "pending"
        }
        self.client.cancel(list(gone & self._gone))
        self._gone = gone

    def _give(self, address: str) -> None:
        with self._between:
            if (number := self.take()) is None:
                return
            with annotate(**self._span):
                future = self.client.submit(
                    _on_worker, self.function, self.file, self.tiles[number],
                    key=tile_key(self._keys, number), pure=False, priority=PRIORITY,
                    workers=[address],
                )  # fmt: skip
            self._given[future] = (number, address)
        future.add_done_callback(self._ended.put)


def slots(dask_scheduler: Any, host: str | None = None) -> tuple[list[str], list[str]]:
    """Workers with idle slots, each as often as it has some, and all; runs on the scheduler.

    No slot is idle while tasks wait for a worker: those come first.
    """
    idle = [
        worker.address
        for worker in dask_scheduler.running
        if host in (None, worker.host)
        for _ in range(worker.nthreads - len(worker.processing))
    ]
    return [] if dask_scheduler.queued else idle, list(dask_scheduler.workers)


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
