"""Calls a function at regular intervals, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LAST_ROUND_S = 10.0

logger = logging.getLogger(__name__)


@contextmanager
def every(seconds: float, function: Callable[[], None]) -> Iterator[None]:
    """Call a function every so many seconds until the block ends.

    Its errors are logged and never stop the work.
    """
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(seconds):
            try:
                function()
            except Exception as error:
                if not over.is_set():
                    name = getattr(function, "__qualname__", repr(function))
                    logger.warning("%s failed: %s: %s", name, type(error).__name__, error)

    thread = threading.Thread(target=go_on, name=f"every {seconds:g} s", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=LAST_ROUND_S)
