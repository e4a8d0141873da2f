"""Preloaded by workers that share a terminal with the driver: Ctrl-C is not for them.

A terminal sends it to all of them. It is for the driver to stop its workers, once it has
published what is done.
"""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Ignore interrupts in this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
