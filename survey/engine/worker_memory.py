"""How much memory the workers have, and which workers a task may run on.

Workers declare their memory limit in bytes as the Dask resource "memory". A task that needs more
than the smallest worker has claims what it needs, and waits until a worker has that much free.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from survey.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client

MEMORY = "memory"
"""The Dask resource that workers declare."""

REFRESH_S = 5.0
"""Workers come and go, but a list of all of them costs the scheduler more than a task does."""


class WorkerMemory:
    """The memory that the workers of a cluster declare, read again every few seconds.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._declared: list[float] = []
        self._next_look = 0.0

    def claim(self, wanted_bytes: float) -> dict[str, float] | None:
        """Resources to claim for a task that needs so much memory.

        None for a task that any worker can take. One that wants more than any worker has
        claims all of the largest worker: the task may find a way that needs less.
        """
        if not wanted_bytes:
            return None
        share, largest = self._range_bytes()
        return None if wanted_bytes <= share else {MEMORY: min(wanted_bytes, largest)}

    @property
    def largest_bytes(self) -> float:
        """The memory of the largest worker; infinite if no worker declares any."""
        return self._range_bytes()[1]

    def _range_bytes(self) -> tuple[float, float]:
        """What any task may use without a claim, and what the largest worker has."""
        if time.monotonic() >= self._next_look:
            self._look()
        # If no worker declares its memory, every task may run anywhere.
        return (self._share, max(self._declared)) if self._declared else (float("inf"),) * 2

    def _look(self) -> None:
        workers = self.client.scheduler_info(n_workers=-1).get("workers", {}).values()
        declared = [(worker["resources"].get(MEMORY), worker["nthreads"]) for worker in workers]
        self._declared = [memory for memory, _ in declared if memory]
        self._share = min((memory / threads for memory, threads in declared if memory), default=0.0)
        self._next_look = time.monotonic() + REFRESH_S


def parse_memory(text: str) -> float:
    """Bytes of a memory size like "4GiB".

    Raises
    ------
    ConfigError
        If it is not a memory size.
    """
    from dask.utils import parse_bytes  # slow to load

    try:
        return float(parse_bytes(text))
    except ValueError:
        raise ConfigError("not a memory size", expected='"4GiB"', found=repr(text)) from None


def memory_here_bytes() -> int:
    """Memory that one task may use in this process: a share of the limit of the Dask worker.

    Outside a cluster it is all that the machine, or the container, has.
    """
    from distributed import get_worker  # slow to load, and a worker has it already
    from distributed.system import MEMORY_LIMIT

    try:
        worker = get_worker()
    except ValueError:
        return int(MEMORY_LIMIT)
    limit = worker.memory_manager.memory_limit or MEMORY_LIMIT
    return int(limit) // max(1, worker.state.nthreads)
