"""What the driver knows about each worker: where it is, and whether its galaxies fail in a row.

A worker without the mount of the data, or with a broken installation, fails fast and so takes one
galaxy after the other. It gets no more of them. A failure that another worker confirms is the
galaxy's and does not count.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from distributed import Client

from survey.engine.attempt import Attempts, Place
from survey.engine.backends.security import is_loopback
from survey.engine.worker_preload import MEMORY

IN_A_ROW = 3
"""So many failures in a row, and a worker gets no more galaxies."""

REFRESH_S = 2.0


@dataclass
class _Record:
    """Names of galaxies that failed since the last success, with the time; why the last one did."""

    place: Place
    doubted: dict[str, float] = field(default_factory=dict)
    faulted: dict[str, float] = field(default_factory=dict)
    last_success: float = 0.0
    reason: str = ""
    announced: bool = False


class WorkerRecords:
    """The workers of a cluster.

    Parameters
    ----------
    client : Client
    warn : callable
        Told once of every worker that gets no more galaxies.
    """

    def __init__(self, client: Client, warn: Callable[[str], None]) -> None:
        self.client = client
        self.warn = warn
        self._records: dict[str, _Record] = {}
        self._alive: dict[str, float] = {}
        self._next_look = 0.0

    def alive(self) -> dict[str, float]:
        """Memory in bytes by address of the workers that are connected; 0 if not declared."""
        if time.monotonic() >= self._next_look:
            workers = self.client.scheduler_info(n_workers=-1).get("workers", {})
            self._alive = {
                address: float(worker["resources"].get(MEMORY, 0.0))
                for address, worker in workers.items()
            }
            self._next_look = time.monotonic() + REFRESH_S
        return self._alive

    def succeeded(self, place: Place) -> None:
        """A galaxy has ended on a worker, and its end is the galaxy's own."""
        record = self._record(place)
        record.doubted.clear()
        record.faulted.clear()
        record.announced = False
        record.last_success = time.monotonic()

    def place(self, address: str, worker: str) -> Place:
        """A worker that cannot be asked for the name of its machine any more."""
        machine = Place(address).machine
        known = (r.place.host for r in self._records.values() if r.place.machine == machine)
        here = socket.gethostname() if is_loopback(machine) else machine
        return Place(address, worker, next(known, here))

    def failed(self, place: Place, name: str, reason: str, *, fault: bool = False) -> None:
        """A galaxy failed on a worker, which may be the cause."""
        self.acquit(name)
        record = self._record(place)
        record.reason = reason
        (record.faulted if fault else record.doubted)[name] = time.monotonic()
        if self._is_benched(record) and not record.announced and len(self.alive()) > 1:
            record.announced = True
            self.warn(
                f"worker {place.worker or place.address} on {place.host} gets no more galaxies: "
                f"{IN_A_ROW} failed on it in a row. The last: {reason}"
            )

    def acquit(self, name: str) -> None:
        """A galaxy fails elsewhere, too: no worker is to blame for it."""
        for record in self._records.values():
            record.doubted.pop(name, None)
            record.faulted.pop(name, None)

    def benched(self) -> list[Place]:
        """Workers that get no more galaxies."""
        return [record.place for record in self._records.values() if self._is_benched(record)]

    def choice(self, attempts: Attempts, claim_bytes: float) -> list[str] | None:
        """Addresses of the workers that a task may go to; None for all.

        Of those that are not benched: workers on which it has not failed, on other machines and
        with a success of their own if there are such.
        """
        benched = {place.address for place in self.benched()}
        if not benched and not attempts.doubts and not attempts.avoid:
            return None
        able = self._able(claim_bytes)
        good = [address for address in able if address not in benched] or able
        tried = {place.address for place in attempts.doubts} | attempts.avoid
        machines = {place.machine for place in attempts.doubts}
        untried = [address for address in good if address not in tried]
        elsewhere = [a for a in untried if Place(a).machine not in machines]
        proven = [a for a in elsewhere or untried if self._has_succeeded(a)]
        chosen = proven or elsewhere or untried or good
        return None if len(chosen) == len(self.alive()) else chosen

    def is_confirmed(self, attempts: Attempts, claim_bytes: float) -> bool:
        """Whether a task failed often enough, and on workers different enough, to be the cause.

        Twice, on different machines if there are any, or else workers; and on one that has
        succeeded with another task, if there is any such.
        """
        if len(attempts.doubts) < 2:
            return False
        tried = {place.address for place in attempts.doubts}
        machines = {place.machine for place in attempts.doubts}
        able = self._able(claim_bytes)
        untried = [address for address in able if address not in tried]
        if len(machines) == 1 and any(Place(a).machine not in machines for a in untried):
            return False
        if any(map(self._has_succeeded, untried)) and not any(map(self._has_succeeded, tried)):
            return False
        return len(tried) > 1 or not untried

    def _able(self, claim_bytes: float) -> list[str]:
        able = [address for address, memory in self.alive().items() if memory >= claim_bytes]
        return able or list(self.alive())

    def _has_succeeded(self, address: str) -> bool:
        record = self._records.get(address)
        return record is not None and record.last_success > 0 and not self._is_benched(record)

    def _is_benched(self, record: _Record) -> bool:
        if len(record.doubted) >= IN_A_ROW:
            return True
        failures = [*record.doubted.values(), *record.faulted.values()]
        if len(failures) < IN_A_ROW:
            return False
        # A full disk fails everywhere: only if others succeed the worker is the cause.
        first = min(failures)
        return any(r.last_success > first for r in self._records.values() if r is not record)

    def _record(self, place: Place) -> _Record:
        record = self._records.setdefault(place.address, _Record(place))
        record.place = place
        return record
