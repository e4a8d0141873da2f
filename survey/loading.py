"""Libraries are loaded without a search for garbage among what they make."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Load libraries in this block: what exists at its end is never searched for garbage.

    Libraries make some 400,000 objects that stay to the end of the process. Python would go
    through all of them each time that their number has grown by a quarter, and at the end once
    more: a fifth of the processor time of a small run.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
