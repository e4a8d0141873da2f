"""One attempt at a task on a worker, and what the driver remembers of all its attempts."""

from __future__ import annotations

import pickle
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from distributed import Future, get_worker
from distributed.comm.addressing import get_address_host

from survey.engine.preflight.needs import Needs, lacking_here
from survey.errors import MachineError, SurveyError
from survey.machine_faults import machine_error


@dataclass(frozen=True)
class Task:
    """One call of the submitted function: a name for people, and its argument.

    `memory_bytes` is what the worker should have. Where workers have different sizes, the task
    goes to one that has it, or else to the largest. `seconds` is what it should take on one core.
    """

    name: str
    argument: Any
    memory_bytes: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """How a task ended: with a result or with an error, after how many attempts and where."""

    task: Task
    result: Any = None
    error: BaseException | None = None
    attempts: int = 1
    worker: str = ""
    host: str = ""


@dataclass(frozen=True)
class Answer:
    """What comes back from a worker: a result or an error, and which worker it was."""

    address: str
    worker: str
    host: str
    seconds: float
    result: Any = None
    error: BaseException | None = None

    @property
    def place(self) -> Place:
        """Where it comes from."""
        return Place(self.address, self.worker, self.host)


@dataclass(frozen=True)
class Place:
    """A worker: its address, its name, and the name of its machine."""

    address: str
    worker: str = ""
    host: str = ""

    @property
    def machine(self) -> str:
        """The machine as the scheduler tells it from others."""
        return get_address_host(self.address) if "://" in self.address else self.host


class Refused(SurveyError):
    """The worker lacks something that all work needs; it did not even try."""


def call(function: Callable[[Any], Any], argument: Any, needs: Needs | None = None) -> Answer:
    """Call a function on a worker that has what it needs; an error is returned with the worker.

    An error of a disk or a limit becomes a `MachineError` here, because causes of exceptions are
    lost on their way to the driver.
    """
    worker = get_worker()
    place = (str(worker.contact_address), str(worker.name), socket.gethostname())
    if needs is not None and (fault := lacking_here(needs)):
        return Answer(*place, 0.0, error=Refused(fault))
    start = time.monotonic()
    try:
        result = function(argument)
    except Exception as error:
        seconds = time.monotonic() - start
        sent = error if isinstance(error, MachineError) else machine_error(error) or error
        return Answer(*place, seconds, error=_sendable(sent))
    return Answer(*place, time.monotonic() - start, result=result)


def _sendable(error: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


FETCH_S = 10.0
"""How long to wait for a result before asking whether it is still there."""


class ResultLostError(SurveyError):
    """A task ended, and its worker died before its result was fetched."""


def fetched(future: Future[Any]) -> Any:
    """The result of a task that has ended without an error.

    Dask keeps results on the workers. If one dies with a result, Dask runs the task again; where
    it may only run on that worker, it would wait for ever.

    Raises
    ------
    ResultLostError
        If the result is gone. The task has to be submitted again.
    """
    client = future.client
    while future.status == "finished":
        # `Future.result` would leave a traceback behind when it is given up.
        with suppress(TimeoutError):
            for result in client.sync(
                client._gather, [future], errors="skip", callback_timeout=FETCH_S
            ):
                return result
    future.cancel()
    raise ResultLostError("a result was lost with its worker", found=str(future.key))


@dataclass(eq=False)
class Attempts:
    """All attempts at one task so far.

    Attributes
    ----------
    task : Task
    number : int
        Attempts that were started.
    needs_memory : bool
        Whether it said itself how much memory it needs.
    not_before : float
        When it may be tried again (seconds, monotonic), and `wait` is the next delay.
    doubts : list of Place
        Workers on which it failed for reasons that may be theirs.
    avoid : set of str
        Addresses of workers that it should not go to, if there are others.
    deaths, lone_deaths : int
        How often its worker died, and how often no other worker did at about that time.
    trial_deaths : int
        How often in a row its worker died, while nothing else was running anywhere.
    own_deaths : int
        How many workers died in these trials that ran the task or a part of it.
    unclear_trials : int
        Trials that say nothing, because other workers died, too.
    first_trial : float
        When the trials in a row began.
    longest_trial_s : float
        The longest of them.
    fault : MachineError, optional
        The fault of a disk or file system that it met last.
    verdict : Outcome, optional
        Its end, if it is confirmed.
    last : Place
        The last worker.
    """

    task: Task
    number: int = 0
    needs_memory: bool = False
    not_before: float = 0.0
    wait: float = 1.0
    doubts: list[Place] = field(default_factory=list)
    avoid: set[str] = field(default_factory=set)
    deaths: int = 0
    lone_deaths: int = 0
    trial_deaths: int = 0
    own_deaths: int = 0
    unclear_trials: int = 0
    first_trial: float = 0.0
    longest_trial_s: float = 0.0
    fault: MachineError | None = None
    verdict: Outcome | None = None
    last: Place = Place("")

    def outcome(self, result: Any = None, error: BaseException | None = None) -> Outcome:
        """The end of the task."""
        return Outcome(self.task, result, error, self.number, self.last.worker, self.last.host)

    def postpone(self, least_s: float = 0.0, longest_s: float = 30.0) -> None:
        """Try again later; each time later than before."""
        self.not_before = time.monotonic() + max(self.wait, least_s)
        self.wait = min(2 * self.wait, longest_s)
