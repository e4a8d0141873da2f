"""How many tasks are with the scheduler at a time.

Where any worker may take any task, Dask's own queue hands them out: workers that come get the next,
those that go take none along, and an adaptive cluster sees that there is work. But tasks that are
with the scheduler cannot be told any more which workers to avoid. So there is a bound, and where
some workers get no tasks there are only a few for each of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

QUEUED = 1000
"""Measured: 5 ms of processor a task with 6, 200 or 1,000 under way, 6 ms with 3,000. Each takes
28 kB of the driver and its scheduler: 280 MB if all of 10,000 galaxies were with them."""


@dataclass(frozen=True)
class Window:
    """Tasks under way: `per_slot` for each that workers can run at once, and `queued` at least."""

    per_slot: int
    queued: int = QUEUED

    def size(self, slots: int, *, restricted: bool) -> int:
        """The number of tasks under way.

        Parameters
        ----------
        slots : int
            Tasks that the workers which get any can run at once, now.
        restricted : bool
            Whether other workers get none.
        """
        here = max(1, slots) * self.per_slot
        return here if restricted else max(here, self.queued)
