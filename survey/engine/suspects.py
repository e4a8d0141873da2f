"""Tasks whose workers died: whether the task is the cause is decided on evidence.

Workers die for many reasons: a machine is taken away, a job ends, somebody kills the process.
A task is blamed in two cases only:

- its worker was ended by its own nanny for its memory, or restarted because it was stalled, while
  nothing else was running;
- its worker died `TRIALS` times in a row while nothing else was running anywhere, no other worker
  died meanwhile, and then all workers lived through a time in which the task did not run.

If others die, too, nothing can be said about the task: it is tried again, and if nothing succeeds
for a while, the run stops and can be resumed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import Enum

from dask.utils import format_bytes
from distributed import Client

from survey.engine.attempt import Attempts
from survey.engine.deaths import DeathWatch
from survey.errors import InfrastructureError, ResourceError

LONE_DEATHS, DEATHS = 2, 4
"""So many deaths of its workers make a task suspect: alone, or at a time when others died."""

COMPANY_S = 20.0
"""Deaths this close together may have one cause."""

TRIALS = 3
CONTROL_S = 15.0
CONTROL_TRIALS = 3.0
"""Workers are watched without the task for so long, and for so many times its longest trial."""

BACK_S = 30.0
"""How long to wait for workers that died before the next trial."""

_STEP_S = 0.2


class Verdict(Enum):
    """What a death says about a task: nothing yet, or that it should be tried alone."""

    RETRY = "retry"
    SUSPECT = "suspect"


class Suspects:
    """Tasks that are tried alone, one after the other, when all others have ended.

    Parameters
    ----------
    client : Client
    deaths : DeathWatch
    patience_s : float
        How long workers may die without any success before the run is stopped.
    warn : callable
    interrupted : callable
        Whether somebody asked the run to stop.
    """

    def __init__(
        self,
        client: Client,
        deaths: DeathWatch,
        patience_s: float,
        warn: Callable[[str], None],
        interrupted: Callable[[], bool],
    ) -> None:
        self.client, self.deaths, self.patience_s = client, deaths, patience_s
        self.warn, self.interrupted = warn, interrupted
        self.waiting: deque[Attempts] = deque()
        self._on_trial: Attempts | None = None
        self._last_success = time.monotonic()
        self._most_workers = 0
        self._limit_bytes = 0

    def next(self) -> Attempts | None:
        """The next task to try alone, if one is due and all workers are back."""
        if not self.waiting or not self._workers_are_back():
            return None
        for _ in range(len(self.waiting)):
            attempts = self.waiting.popleft()
            if attempts.not_before <= time.monotonic():
                self._on_trial = attempts
                self._limit_bytes = self._largest_limit_bytes()
                return attempts
            self.waiting.append(attempts)
        return None

    def _workers_are_back(self) -> bool:
        count = len(self.client.nthreads())
        self._most_workers = max(self._most_workers, count)
        last = self.deaths.deaths[-1].time if self.deaths.deaths else 0.0
        return count > 0 and (count == self._most_workers or time.monotonic() - last > BACK_S)

    def is_on_trial(self, attempts: Attempts) -> bool:
        """Whether a task is now tried alone."""
        return attempts is self._on_trial

    def progress(self) -> None:
        """A task has succeeded."""
        self._last_success = time.monotonic()

    def died(
        self, attempts: Attempts, seconds: float, *, on_trial: bool, n_deaths: int = 1
    ) -> Verdict | ResourceError:
        """What the death of its worker (or more), after some seconds, says about a task.

        Raises
        ------
        InfrastructureError
            If workers have died for too long without any success.
        """
        now, address = time.monotonic(), attempts.last.address
        attempts.deaths += 1
        if not on_trial:
            over_memory = self.deaths.over_memory_bytes(now - seconds, address)
            lone = not self.deaths.others(address, now - COMPANY_S)
            attempts.lone_deaths += lone
            suspect = attempts.lone_deaths >= LONE_DEATHS or attempts.deaths >= DEATHS
            measured = over_memory is not None or self.deaths.was_stalled(now - seconds, address)
            return Verdict.SUSPECT if suspect or measured else Verdict.RETRY
        self._on_trial = None
        over_memory = self.deaths.over_memory_bytes(now - seconds)
        if over_memory is not None:
            return self._over_memory(over_memory)
        if self.deaths.was_stalled(now - seconds, address):
            return ResourceError(
                "its worker made no progress and was restarted, with nothing else running",
                found=f"an idle processor for a part of {seconds:.0f} s",
                advice="Look at its files, or raise watch.stalled_s.",
            )
        if not attempts.trial_deaths:
            attempts.first_trial, attempts.longest_trial_s = now - seconds, 0.0
            attempts.own_deaths = 0
        attempts.trial_deaths += 1
        attempts.own_deaths += n_deaths
        attempts.longest_trial_s = max(attempts.longest_trial_s, seconds)
        if self.deaths.since(attempts.first_trial) > attempts.own_deaths:
            return self._unclear(attempts)
        if attempts.trial_deaths < TRIALS:
            return Verdict.SUSPECT
        if self._workers_live_without(attempts):
            return ResourceError(
                f"its worker process died {attempts.deaths} times, the last {TRIALS} times with "
                "nothing else running, and lives without it",
                expected="a galaxy that fits the memory limit of a worker",
                found=f"a worker that died after {seconds:.0f} s",
                advice="Give the workers more memory (engine.memory_limit).",
            )
        return self._unclear(attempts)

    def _over_memory(self, found_bytes: int) -> ResourceError:
        at_most = f", at most {format_bytes(self._limit_bytes)}" if self._limit_bytes else ""
        return ResourceError(
            "its worker process was ended for its memory, with nothing else running",
            expected=f"a galaxy that fits the memory limit of a worker{at_most}",
            found=format_bytes(found_bytes),
            advice="Give the workers more memory (engine.memory_limit).",
        )

    def _largest_limit_bytes(self) -> int:
        """The limit of the largest worker; 0 if none has any."""
        workers = self.client.scheduler_info(n_workers=-1).get("workers", {}).values()
        return max((worker["memory_limit"] or 0 for worker in workers), default=0)

    def _unclear(self, attempts: Attempts) -> Verdict:
        attempts.trial_deaths = 0
        attempts.unclear_trials += 1
        silent_s = time.monotonic() - self._last_success
        if attempts.unclear_trials >= TRIALS and silent_s > self.patience_s:
            names = [attempts.task.name, *(other.task.name for other in self.waiting)]
            raise InfrastructureError(
                "workers keep dying, whatever they run",
                found=f"{len(names)} galaxies not finished ({', '.join(names[:5])}), no success "
                f"for {silent_s:.0f} s",
                advice="No galaxy is blamed. Find out what ends the workers, and run the same "
                "command again: finished galaxies are not computed again.",
            )
        if attempts.unclear_trials == 1:
            self.warn(
                f"workers die, whatever they run: {attempts.task.name} is tried again for up to "
                f"{self.patience_s:g} s"
            )
        attempts.postpone()
        return Verdict.SUSPECT

    def _workers_live_without(self, attempts: Attempts) -> bool:
        """Whether no worker dies in a time in which all are busy and the task does not run."""
        start = time.monotonic()
        end = start + max(CONTROL_S, CONTROL_TRIALS * attempts.longest_trial_s)
        before = len(self.deaths.deaths)
        threads = self.client.nthreads()
        futures = [
            self.client.submit(time.sleep, end - start, pure=False, workers=[address])
            for address in threads
        ]
        try:
            while time.monotonic() < end and not self.interrupted():
                time.sleep(_STEP_S)
                if len(self.deaths.deaths) > before:
                    return False
            return not self.interrupted()
        finally:
            self.client.cancel(futures)
