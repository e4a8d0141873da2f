"""Runs independent tasks in a bounded window, and interprets how they end.

The window limits the scheduler's memory for any number of galaxies. A task that raised an error
has failed, unless the error says that it needs more memory: then it runs at the end, on a worker
that has enough. A task whose worker died need not be the cause: it is tried once more with
nothing else running, and fails only if its worker dies again. A task that was cancelled or lost
means that the cluster is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from dask.typing import Key
from dask.utils import format_bytes
from distributed import Client, Future, KilledWorker

from catalogs.printable import printable
from survey.engine.worker_memory import WorkerMemory
from survey.engine.worker_preload import MEMORY
from survey.errors import InfrastructureError, MemoryNeeded, ResourceError

POLL_S = 5.0
"""How often to check whether the workers that tasks wait for still exist."""


@dataclass(frozen=True)
class Task:
    """One call of the submitted function: a name for people, and its argument.

    `memory_bytes` is what the worker should have. Where workers have different sizes, the task
    goes to one that has it, or else to the largest.
    """

    name: str
    argument: Any
    memory_bytes: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """How a task ended: with a result or with an error."""

    task: Task
    result: Any = None
    error: BaseException | None = None


def run_tasks(
    client: Client,
    function: Callable[[Any], Any],
    tasks: Iterable[Task],
    *,
    window: int,
) -> Iterator[Outcome]:
    """Call `function` on every task's argument, at most `window` at a time.

    Outcomes are yielded in the order in which the tasks end. Futures are released as soon as their
    small results have arrived. Tasks that needed more memory than their workers had come last.

    Raises
    ------
    InfrastructureError
        If the cluster is lost. Outcomes yielded before remain valid.
    """
    memory = WorkerMemory(client)
    retry_alone: list[Task] = []
    needs_memory: list[Task] = []
    ended = _windowed(client, function, tasks, window, memory)
    yield from _sifted(ended, needs_memory, retry_alone)
    while needs_memory:
        largest = memory.largest_bytes
        yield from (_refused(task, largest) for task in needs_memory if task.memory_bytes > largest)
        fitting = [task for task in needs_memory if task.memory_bytes <= largest]
        needs_memory = []
        ended = _windowed(client, function, fitting, window, memory)
        yield from _sifted(ended, needs_memory, retry_alone)
    # On the largest worker: a lack of memory may have killed the first.
    retry_alone = [replace(task, memory_bytes=memory.largest_bytes) for task in retry_alone]
    for task, future in _windowed(client, function, retry_alone, 1, memory):
        if isinstance(error := _error_of(future), KilledWorker):
            error = ResourceError(
                "its worker process died twice, the second time with nothing else running",
                expected="a galaxy that fits the memory limit of a worker",
                found=str(error),
                advice="Give the workers more memory (engine.memory_limit).",
            )
        yield _outcome(task, future, error)


def _sifted(
    ended: Iterable[tuple[Task, Future[Any]]], needs_memory: list[Task], retry_alone: list[Task]
) -> Iterator[Outcome]:
    """Outcomes of the tasks that will not be tried again; the others go into the two lists."""
    for task, future in ended:
        error = _error_of(future)
        if isinstance(error, KilledWorker):
            retry_alone.append(task)
        elif isinstance(error, MemoryNeeded) and error.needed_bytes > task.memory_bytes:
            needs_memory.append(replace(task, memory_bytes=error.needed_bytes))
        else:
            yield _outcome(task, future, error)


def _refused(task: Task, largest_bytes: float) -> Outcome:
    error = ResourceError(
        "no worker has the memory it needs",
        expected=f"a worker with {format_bytes(int(task.memory_bytes))}",
        found=f"{format_bytes(int(largest_bytes))} in the largest",
        advice="Start a worker with more memory and run the same command again.",
    )
    return Outcome(task, error=error)


def _windowed(
    client: Client,
    function: Callable[[Any], Any],
    tasks: Iterable[Task],
    window: int,
    memory: WorkerMemory,
) -> Iterator[tuple[Task, Future[Any]]]:
    waiting = iter(tasks)
    in_flight: dict[Key, _InFlight] = {}
    ended: SimpleQueue[Future[Any]] = SimpleQueue()

    def launch(task: Task) -> None:
        claim = memory.claim(task.memory_bytes)
        key = (function.__name__, printable(task.name), uuid4().hex)  # shown on the dashboard
        future = client.submit(function, task.argument, key=key, pure=False, resources=claim)
        in_flight[future.key] = _InFlight(task, future, claim)
        future.add_done_callback(ended.put)

    for task in islice(waiting, window):
        launch(task)
    while in_flight:
        try:
            future = ended.get(timeout=POLL_S)
        except Empty:
            for stranded in _stranded(in_flight, memory):
                launch(stranded.task)
            continue
        ended_task = in_flight.pop(future.key, None)
        if ended_task is None:
            continue  # It was stranded and has been submitted again.
        if future.status in ("cancelled", "lost"):
            raise InfrastructureError(
                "the Dask cluster was lost while tasks were running",
                found=f"{len(in_flight) + 1} tasks that had not ended",
                advice="Run the same command again: finished galaxies are not computed again.",
            )
        for task in islice(waiting, 1):
            launch(task)
        yield ended_task.task, future


@dataclass(frozen=True)
class _InFlight:
    """A running task, and what it claims."""

    task: Task
    future: Future[Any]
    claim: dict[str, float] | None


def _stranded(in_flight: dict[Key, _InFlight], memory: WorkerMemory) -> list[_InFlight]:
    """Remove the tasks that wait for more memory than any worker has now."""
    stranded = [
        flight
        for flight in in_flight.values()
        if flight.claim is not None and flight.claim[MEMORY] > memory.largest_bytes
    ]
    for flight in stranded:
        del in_flight[flight.future.key]
        flight.future.cancel()
    return stranded


def _error_of(future: Future[Any]) -> BaseException | None:
    return future.exception() if future.status == "error" else None


def _outcome(task: Task, future: Future[Any], error: BaseException | None) -> Outcome:
    if error is not None:
        return Outcome(task, error=error)
    return Outcome(task, result=future.result())
