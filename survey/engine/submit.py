"""A bounded window of independent tasks, and what their endings mean.

The window keeps the scheduler's memory flat for any number of galaxies. A task that raised
failed by itself. A task whose worker died is only a suspect: it is tried once more with
nothing else running, and only then held responsible. A task that was cancelled or lost
means that the cluster is gone, which is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import uuid4

from dask.typing import Key
from distributed import Client, Future, KilledWorker, as_completed

from survey.errors import InfrastructureError, ResourceError


@dataclass(frozen=True)
class Task:
    """One call of the submitted function: a name for people, and its argument."""

    name: str
    argument: Any


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
    in_flight: int,
) -> Iterator[Outcome]:
    """Call `function` on every task's argument, at most `in_flight` at a time.

    Outcomes come in the order in which the tasks end. Futures are released as soon as their
    small results are here.

    Raises
    ------
    InfrastructureError
        If the cluster went away. Outcomes yielded before stay true.
    """
    suspects: list[Task] = []
    for task, future in _windowed(client, function, tasks, in_flight):
        if isinstance(error := _error_of(future), KilledWorker):
            suspects.append(task)
        else:
            yield _outcome(task, future, error)
    for task, future in _windowed(client, function, suspects, 1):
        if isinstance(error := _error_of(future), KilledWorker):
            error = ResourceError(
                "its worker process died twice, the second time with nothing else running",
                expected="a galaxy that fits the memory limit of a worker",
                found=str(error),
                advice="Give the workers more memory (engine.memory_limit).",
            )
        yield _outcome(task, future, error)


def _windowed(
    client: Client, function: Callable[[Any], Any], tasks: Iterable[Task], in_flight: int
) -> Iterator[tuple[Task, Future[Any]]]:
    waiting = iter(tasks)
    flying: dict[Key, Task] = {}
    ended = as_completed()

    def launch() -> None:
        for task in islice(waiting, 1):
            key = (function.__name__, task.name, uuid4().hex)  # shown on the dashboard
            future = client.submit(function, task.argument, key=key, pure=False)
            flying[future.key] = task
            ended.add(future)

    for _ in range(in_flight):
        launch()
    for future in ended:
        task = flying.pop(future.key)
        if future.status in ("cancelled", "lost"):
            raise InfrastructureError(
                "the Dask cluster was lost while work was under way",
                found=f"{len(flying) + 1} tasks that had not ended",
                advice="Run the same command again: finished galaxies are not repeated.",
            )
        launch()
        yield task, future


def _error_of(future: Future[Any]) -> BaseException | None:
    return future.exception() if future.status == "error" else None


def _outcome(task: Task, future: Future[Any], error: BaseException | None) -> Outcome:
    if error is not None:
        return Outcome(task, error=error)
    return Outcome(task, result=future.result())
