"""Signals that end a command: Ctrl-C, a request of the system, a terminal that closes.

====================  ===========================================================
first Ctrl-C          stop now, publish what is finished, exit 75
second Ctrl-C         exit 75 at once, without a word
SIGTERM, SIGHUP       galaxies under way may end (``engine.drain_s``), then the same
a second of these     like the first Ctrl-C
====================  ===========================================================

An import is not broken off: a half-imported module (pandas) cannot be imported again, and what is
finished could not be published. Nor is the end of an object: Python ignores what is raised there,
and the request would be lost.
"""

from __future__ import annotations

import _weakrefset
import os
import signal
import sys
import threading
import weakref
from types import FrameType

from survey.engine.drain import Drain
from survey.terminal import EXIT_RESUMABLE

DRAIN = Drain()
"""The request of the system to stop, for the run of this process."""

_SHOW_CURSOR = "\x1b[?25h"
_stopping = False
_IMPORTING = "<frozen importlib._bootstrap>"
_FINALISERS = ("__del__", "_gc_callback")
_WEAK_REFERENCES = (weakref.__file__, _weakrefset.__file__)
_POLL_S = 0.05


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
    _interrupt_where_it_counts(number, frame)


def _interrupt_where_it_counts(number: int, frame: FrameType | None) -> None:
    if not _must_end_first(frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, _interrupt_where_it_counts)
    signal.setitimer(signal.ITIMER_REAL, _POLL_S)


def _must_end_first(frame: FrameType | None) -> bool:
    """Whether an import is under way, or an object ends (also by a callback of the collector)."""
    while frame is not None:
        code = frame.f_code
        if code.co_name in _FINALISERS or code.co_filename in (_IMPORTING, *_WEAK_REFERENCES):
            return True
        frame = frame.f_back
    return False


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
