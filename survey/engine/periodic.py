"""Calls a function at regular intervals, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LAST_ROUND_S = 10.0

logger = logging.getLogger(__name__)


@contextmanager
def every(seconds: float, function: Callable[[], None], what: str) -> Iterator[None]:
    """Call a function every so many seconds until the block ends.

    Its errors are logged and never stop the work; one that stays is logged once.

    Parameters
    ----------
    seconds : float
    function : callable
    what : str
        What it does, as in "looking after the workers": for the log.
    """
    over = threading.Event()

    def go_on() -> None:
        said: tuple[type[Exception], int | None] | None = None
        while not over.wait(seconds):
            try:
                function()
                said = None
            except Exception as error:
                kind = type(error), getattr(error, "errno", None)
                if kind != said and not over.is_set():
                    logger.warning("%s failed: %s: %s", what, type(error).__name__, error)
                said = kind

    thread = threading.Thread(target=go_on, name=f"every {seconds:g} s", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=LAST_ROUND_S)
