"""Starts workers again whose nanny has given up.

A nanny restarts its worker when that dies, but closes for ever when the worker dies again while it
starts, and so every wave of kills would leave fewer workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Status
from distributed.deploy.spec import SpecCluster

from survey.engine.periodic import every

LOOK_S = 2.0
CLOSING_S = 30.0
"""A nanny that takes longer to close is stuck, and is left alone."""


@contextmanager
def revived(cluster: SpecCluster) -> Iterator[None]:
    """Start lost workers of a cluster again while the block runs."""
    closing: dict[Any, float] = {}

    async def look() -> None:
        if cluster.status != Status.running:
            return
        for name, nanny in list(cluster.workers.items()):
            gone = nanny.status in (Status.closed, Status.failed)
            if nanny.status in (Status.closing, Status.closing_gracefully):
                gone = time.monotonic() - closing.setdefault(name, time.monotonic()) > CLOSING_S
            if gone:
                closing.pop(name, None)
                cluster.workers.pop(name, None)
        if set(cluster.worker_spec) - set(cluster.workers):
            cluster.scale(len(cluster.worker_spec))

    def look_again() -> None:
        cluster.sync(look)

    with every(LOOK_S, look_again, "looking after the workers"):
        yield
