"""Signals that end a command: Ctrl-C, a request of the system, a terminal that closes.

====================  ===========================================================
first Ctrl-C          stop now, publish what is finished, exit 75
second Ctrl-C         exit 75 at once, without a word
SIGTERM, SIGHUP       galaxies under way may end (``engine.drain_s``), then the same
a second of these     like the first Ctrl-C
====================  ===========================================================
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

from survey.engine.drain import Drain
from survey.terminal import EXIT_RESUMABLE

DRAIN = Drain()
"""The request of the system to stop, for the run of this process."""

_SHOW_CURSOR = "\x1b[?25h"
_stopping = False


def handle_signals() -> None:
    """Install the handlers; a signal that is ignored (`nohup`) stays so."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number, handler in (
        (signal.SIGINT, _interrupt),
        (signal.SIGTERM, _drain),
        (signal.SIGHUP, _drain),
    ):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _stopping
    if _stopping:
        _exit_at_once()
    _stopping = True
    raise KeyboardInterrupt


def _drain(number: int, frame: FrameType | None) -> None:
    if DRAIN.listening and DRAIN.reason is None:
        DRAIN.request(signal.Signals(number).name)
    elif not _stopping:
        _interrupt(number, frame)


def _exit_at_once() -> None:
    """End without cleaning up: what is written is safe at every moment, and workers follow."""
    if sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR.encode())
    os._exit(EXIT_RESUMABLE)
