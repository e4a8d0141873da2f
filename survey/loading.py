"""Libraries are loaded without a search for garbage among what they make."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

_is_own_process = False


def own_process() -> None:
    """Say that this process is the survey's: a command, or a worker, and no notebook."""
    global _is_own_process
    _is_own_process = True
    # It opens no window. Matplotlib cannot even be imported if the user's backend is unknown here.
    os.environ["MPLBACKEND"] = "Agg"


@contextmanager
def loading() -> Iterator[None]:
    """Load libraries in this block, without a search for garbage.

    Libraries make some 400,000 objects that stay to the end of the process. Python would go
    through all of them each time that their number has grown by a quarter, and at the end once
    more: a fifth of the processor time of a small run. In a process of the survey's own, what
    exists at the end of the block is never searched again. In that of a user it is, as there may
    be large arrays among it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if _is_own_process:
            gc.freeze()
        if was_enabled:
            gc.enable()
