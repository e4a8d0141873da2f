"""Runs independent tasks in a bounded window, and interprets how they end.

The window limits the scheduler's memory for any number of galaxies. What an end means:

- An error of the function is the task's, unless it says otherwise (see `survey.errors`).
- `MemoryNeeded`: the task runs at the end, on a worker that has enough.
- `MachineError`: a disk is full, or a file system fails. Nothing new is started but one task at a
  time, until one succeeds. If none does for `patience_s`, the run stops and can be resumed.
- `Unconfirmed`: another worker has to fail, too. See `survey.engine.worker_records`.
- The worker died: see `survey.engine.suspects`.
- The task was cancelled or lost: the cluster is gone.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from math import inf
from typing import Any

from dask.typing import Key
from distributed import Client, KilledWorker
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError

from survey.engine.attempt import (
    Answer,
    Attempts,
    Outcome,
    Place,
    Refused,
    ResultLostError,
    Task,
    fetched,
)
from survey.engine.deaths import DeathWatch
from survey.engine.drain import Drain
from survey.engine.ends import (
    Fault,
    all_fail,
    cluster_lost,
    erred_on,
    no_memory,
)
from survey.engine.flights import Flight, Flights
from survey.engine.observe.spans import SURVEY, annotations_of_span
from survey.engine.preflight.admission import Admission
from survey.engine.suspects import Suspects, Verdict
from survey.engine.window import Window
from survey.engine.worker_memory import WorkerMemory
from survey.engine.worker_records import WorkerRecords
from survey.errors import (
    RESUME,
    InfrastructureError,
    MachineError,
    MemoryNeeded,
    ResourceError,
    Unconfirmed,
    WorkersLost,
)
from survey.machine_faults import waiting_text

__all__ = ["Outcome", "Task", "run_tasks"]

logger = logging.getLogger(__name__)

POLL_S = 0.5
"""How often to look whether something is due, or somebody asked to stop."""

LOOK_S = 5.0
"""How often to check whether the workers that tasks wait for still exist."""

PATIENCE_S = 120.0
DRAIN_S = 20.0

ALL_FAIL = 10
"""So many tasks that fail on every worker that they are asked of, none succeeding, end a run."""


def run_tasks(
    client: Client,
    function: Callable[[Any], Any],
    tasks: Iterable[Task],
    *,
    window: int | Window,
    patience_s: float = PATIENCE_S,
    drain: Drain | None = None,
    drain_s: float = DRAIN_S,
    admitted: Admission | None = None,
    warn: Callable[[str], None] = logger.warning,
    span: str = "",
) -> Iterator[Outcome]:
    """Call `function` on every task's argument, at most `window` at a time.

    Outcomes are yielded in the order in which the tasks end. Futures are released as soon as their
    small results have arrived. Tasks that needed more memory than their workers had come last.

    Parameters
    ----------
    client : Client
    function : callable
    tasks : iterable of Task
    window : int or Window
    patience_s : float
        How long to wait for a full disk or a file system, and how long workers may die without
        any task succeeding.
    drain : Drain, optional
        A request to stop: tasks under way get `drain_s` seconds.
    drain_s : float
    admitted : Admission, optional
        Which workers may get tasks; all, if not given.
    warn : callable
        Called with one line about a problem that does not stop the run.
    span : str
        The name of Dask's span of all tasks, if they are to have one.

    Raises
    ------
    ConfigError
        If no worker was ever admitted for `patience_s`, though some are connected.
    InfrastructureError
        If the cluster is lost, workers keep dying, every task fails, or the run was asked to
        stop. Outcomes yielded before remain valid.
    MachineError
        If a disk or a file system fails for longer than `patience_s`.
    """
    with DeathWatch.of(client) as deaths:
        drain = drain or Drain()
        runner = _Runner(
            client, function, iter(tasks), window, patience_s, deaths, drain, admitted, warn, span
        )
        with drain.heard():
            try:
                yield from runner.outcomes(drain_s)
            except (ClosedClientError, CommClosedError) as error:
                raise cluster_lost(len(runner.flights.under_way)) from error


class _Runner:
    """The state of one call of `run_tasks`."""

    def __init__(
        self,
        client: Client,
        function: Callable[[Any], Any],
        tasks: Iterator[Task],
        window: int | Window,
        patience_s: float,
        deaths: DeathWatch,
        drain: Drain,
        admitted: Admission | None,
        warn: Callable[[str], None],
        span: str,
    ) -> None:
        self.drain = drain
        self.client, self.window = client, window
        self.patience_s, self.warn = patience_s, warn
        self.memory = WorkerMemory(client)
        self.admitted = admitted
        self.workers = WorkerRecords(client, warn, admitted.refused if admitted else ())
        annotations = annotations_of_span(SURVEY, span) if span else None
        self.flights = Flights(client, function, self.memory, self.workers, admitted, annotations)
        self.unused: frozenset[str] = frozenset()
        self.held_up_since: float | None = None
        self.suspects = Suspects(client, deaths, patience_s, warn, self._is_drained)
        self.fresh = tasks
        self.again: list[Attempts] = []
        self.later: deque[Attempts] = deque()
        self.held: list[Attempts] = []
        self.fault: Fault | None = None
        self.any_success = False
        self.next_look = time.monotonic() + LOOK_S

    def outcomes(self, drain_s: float) -> Iterator[Outcome]:
        """All outcomes."""
        while True:
            if self.drain.reason is not None:
                yield from self._drained(self.drain.reason, drain_s)
            self._follow_the_workers()
            yield from self._launched()
            if not (self.flights.under_way or self.again or self.suspects.waiting) and not (
                self.held_up_since and self._has_new()
            ):
                break
            yield from self._judged_next(POLL_S)
            yield from self._after_patience()
        yield from self._last()

    def _is_drained(self) -> bool:
        return self.drain.reason is not None

    # Which workers there are.

    def _follow_the_workers(self) -> None:
        """Take tasks back that wait for workers which get none any more, or if there are no others.

        Raises
        ------
        ConfigError, InfrastructureError
            If there has been no other worker for too long.
        """
        unused = self.workers.unused()
        if unused - self.unused:
            self.again[:0] = self.flights.take_back()
        self.unused = unused
        if not self.workers.none_usable:
            self.held_up_since = None
            return
        now = time.monotonic()
        self.held_up_since = self.held_up_since or now
        if self.admitted is not None and now - self.held_up_since > self.patience_s:
            raise self.admitted.nobody()

    def _has_new(self) -> bool:
        task = next(self.fresh, None)
        if task is not None:
            self.fresh = chain([task], self.fresh)
        return task is not None

    # Starting tasks.

    def _launched(self) -> Iterator[Outcome]:
        """Start what may be started; tasks for which no worker has the memory are refused."""
        while (attempts := self._next()) is not None:
            if self._is_too_large(attempts):
                error = no_memory(attempts.task, self.memory.largest_bytes)
                yield attempts.outcome(error=error)
            else:
                self._launch(attempts)

    def _next(self) -> Attempts | None:
        now = time.monotonic()
        if self.held_up_since is not None:
            return None
        if any(flight.trial for flight in self.flights.under_way.values()):
            return None
        if (fault := self.fault) is not None:
            trying = any(flight.started > fault.since for flight in self.flights.under_way.values())
            if trying or now < fault.next_try:
                return None
            fault.tries += 1
        elif len(self.flights.under_way) >= self._window():
            return None
        # While a disk is full, new tasks and those that failed are tried in turn.
        first_new = fault is not None and fault.tries % 2 == 0
        new = self._new() if first_new else None
        if new is not None:
            return new
        for attempts in self.again:
            if attempts.not_before <= now:
                self.again.remove(attempts)
                return attempts
        if (new := self._new()) is not None:
            return new
        if self.later and not (self.flights.under_way and self._is_too_large(self.later[0])):
            return self.later.popleft()
        if self.flights.under_way or self.again:
            return None
        return self.suspects.next()

    def _window(self) -> int:
        if isinstance(self.window, int):
            return self.window
        return self.window.size(self.workers.slots(), restricted=bool(self.unused))

    def _is_too_large(self, attempts: Attempts) -> bool:
        return attempts.needs_memory and attempts.task.memory_bytes > self.memory.largest_bytes

    def _new(self) -> Attempts | None:
        task = next(self.fresh, None)
        return None if task is None else Attempts(task)

    def _launch(self, attempts: Attempts) -> None:
        trial = self.suspects.is_on_trial(attempts)
        if trial or (attempts.deaths and not attempts.needs_memory):
            # On the largest worker: a lack of memory may have killed the first.
            largest = self.memory.largest_bytes
            if largest < inf:
                attempts.task = replace(attempts.task, memory_bytes=largest)
        self.flights.launch(attempts, trial=trial)

    # Judging how they end.

    def _judged_next(self, timeout_s: float) -> Iterator[Outcome]:
        """Outcomes after the next task has ended, or none if none does for a while."""
        if time.monotonic() >= self.next_look and self.drain.reason is None:
            for attempts in self.flights.stranded():
                self._launch(attempts)
            self.next_look = time.monotonic() + LOOK_S
        if (flight := self.flights.next_ended(timeout_s)) is not None:
            yield from self._judged(flight)

    def _judged(self, flight: Flight) -> Iterator[Outcome]:
        attempts, future = flight.attempts, flight.future
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker):
            worker = error.last_worker
            attempts.last = self.workers.place(worker.address, str(worker.name))
            yield from self._died(flight)
            return
        if error is None:
            try:
                answer: Answer = fetched(future)
            except ResultLostError:
                attempts.number -= 1
                self.again.append(attempts)
                return
        else:  # It did not even begin: the worker cannot load the function or its argument.
            answer = self._not_begun(future.key, error)
        error, attempts.last = answer.error, answer.place
        if isinstance(error, Refused) and self.admitted is not None:
            attempts.number -= 1
            self.admitted.refuse(answer.place, error.message)
            self.again.append(attempts)
        elif isinstance(error, MemoryNeeded) and error.needed_bytes > attempts.task.memory_bytes:
            attempts.task = replace(attempts.task, memory_bytes=error.needed_bytes)
            attempts.needs_memory = True
            self.later.append(attempts)
        elif isinstance(error, MachineError):
            self._stopped_by_fault(attempts, answer, error)
        elif isinstance(error, WorkersLost):
            yield from self._died(flight, error.n_deaths)
        elif isinstance(error, Unconfirmed):
            yield from self._doubted(flight, answer, error)
        else:
            yield from self._succeeded(attempts, answer)

    def _succeeded(self, attempts: Attempts, answer: Answer) -> Iterator[Outcome]:
        """The end of a task is its own: so its worker works, and the disks do."""
        self.workers.succeeded(answer.place)
        self.workers.acquit(attempts.task.name)
        self.suspects.progress()
        self.fault, self.any_success = None, True
        # Failures seen by workers that never succeeded are not confirmed by anybody.
        self.again += self.held
        self.held.clear()
        yield attempts.outcome(answer.result, answer.error)

    def _doubted(self, flight: Flight, answer: Answer, error: Unconfirmed) -> Iterator[Outcome]:
        """A task failed, and its worker may be the cause."""
        attempts, name = flight.attempts, flight.attempts.task.name
        attempts.doubts.append(answer.place)
        self.workers.failed(answer.place, name, error.message)
        if not self.workers.is_confirmed(attempts, flight.claim_bytes):
            attempts.postpone()
            self.again.append(attempts)
            return
        cause = error.__cause__ if error.result is None else None
        outcome = attempts.outcome(error.result, cause)
        if self.any_success:
            self.workers.acquit(name)
            yield outcome
            return
        attempts.verdict = outcome
        self.held.append(attempts)
        if len(self.held) >= ALL_FAIL:
            raise all_fail(self.held, error.message)

    def _stopped_by_fault(self, attempts: Attempts, answer: Answer, error: MachineError) -> None:
        """A disk or file system stopped a task: it is tried again later."""
        if self.fault is None:
            now = time.monotonic()
            self.fault = Fault(error, now, now)
            self.again[:0] = self.flights.take_back()
            self.warn(waiting_text(error, self.patience_s))
        self.fault.again(error)
        name = attempts.task.name
        self.workers.failed(answer.place, name, error.message, fault=True)
        attempts.avoid = {answer.address}
        attempts.fault = error
        if error.result is not None:  # Its own input cannot be read.
            attempts.doubts.append(answer.place)
            attempts.verdict = attempts.outcome(error.result)
        attempts.postpone(answer.seconds)
        self.again.append(attempts)

    def _not_begun(self, key: Key, error: BaseException) -> Answer:
        """The answer of a worker that could not load the function or its argument."""
        places = self.client.run_on_scheduler(erred_on, key=key)
        place = places[0] if places else Place("")
        doubt = Unconfirmed(f"{type(error).__name__}: {error}", result=None)
        doubt.__cause__ = error
        return Answer(place.address, place.worker, place.host, 0.0, error=doubt)

    def _died(self, flight: Flight, n_deaths: int = 1) -> Iterator[Outcome]:
        """The worker of a task died, or those of its tiles."""
        attempts, seconds = flight.attempts, time.monotonic() - flight.started
        match self.suspects.died(attempts, seconds, on_trial=flight.trial, n_deaths=n_deaths):
            case Verdict.RETRY:
                self.later.append(attempts)
            case Verdict.SUSPECT:
                self.suspects.waiting.append(attempts)
            case ResourceError() as guilt:
                yield attempts.outcome(error=guilt)

    # When it has lasted too long, and the end.

    def _after_patience(self) -> Iterator[Outcome]:
        """Give up when a disk or file system has failed for too long."""
        fault = self.fault
        if fault is None or time.monotonic() - fault.since < self.patience_s:
            return
        if any(flight.started < fault.since for flight in self.flights.under_way.values()):
            return  # They were started before, and may still succeed.
        # Files that several workers cannot read, while others succeed, are themselves damaged.
        own = [a for a in self.again if a.verdict is not None and self._is_own(a)]
        for attempts in own if self.any_success else []:
            self.again.remove(attempts)
            if attempts.verdict is not None:
                yield attempts.verdict
        if any(attempts.fault is not None for attempts in self.again) or not own:
            raise fault.error
        self.fault = None

    def _is_own(self, attempts: Attempts) -> bool:
        return self.workers.is_confirmed(attempts, 0.0)

    def _last(self) -> Iterator[Outcome]:
        """What was held until something succeeds; nothing did."""
        if len(self.held) > 1:
            raise all_fail(self.held, "")
        yield from (attempts.verdict for attempts in self.held if attempts.verdict)

    def _drained(self, reason: str, drain_s: float) -> Iterator[Outcome]:
        """Outcomes of the tasks that are under way and end in time; then the run is stopped."""
        deadline = time.monotonic() + drain_s
        self.flights.take_back()
        if self.flights.under_way:
            names = ", ".join(
                sorted(f.attempts.task.name for f in self.flights.under_way.values())[:5]
            )
            self.warn(
                f"{reason}: waiting up to {drain_s:g} s for {len(self.flights.under_way)} galaxies "
                f"under way ({names}); then the catalog is published"
            )
        while self.flights.under_way and (left := deadline - time.monotonic()) > 0:
            yield from self._judged_next(min(left, POLL_S))
        raise InfrastructureError(f"stopped by {reason}", found=self._unfinished(), advice=RESUME)

    def _unfinished(self) -> str:
        return f"{len(self.flights.under_way)} galaxies under way that did not end in time"
