"""What Dask keeps for its developers, and a long run has no use for.

Measured on 1,000 galaxies: a worker keeps a profile of every second for an hour, which is 14 MB
per 100 small galaxies; scheduler and workers keep their last 1,000 messages, tasks included.
"""

from __future__ import annotations

from typing import Any

FRUGAL: dict[str, Any] = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.low-level-log-length": 100,
}
"""Dask's configuration of all processes of a cluster. It has to be set before they start."""
