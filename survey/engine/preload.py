"""What every worker does before it joins: `dask worker --preload survey.engine.preload`.

It declares its memory limit as the Dask resource "memory", in bytes. That has to happen before
the scheduler hears of it: a task that waits for such a resource is not looked at again when a
worker that is there already declares it.
"""

from __future__ import annotations

from typing import Any

import psutil

MEMORY = "memory"


def dask_setup(worker: Any) -> None:
    """Declare what memory the worker has, unless its command line did."""
    state = worker.state
    if MEMORY not in state.total_resources:
        state.total_resources[MEMORY] = state.available_resources[MEMORY] = memory_of(worker)


def memory_of(worker: Any) -> float:
    """The memory limit of a worker in bytes; without one, the memory of its machine."""
    return float(worker.memory_manager.memory_limit or psutil.virtual_memory().total)
