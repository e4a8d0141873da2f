"""A request to end soon: what runs may finish, nothing new is started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Drain:
    """Whether somebody asked the run to end soon, and whether anything listens to that.

    Attributes
    ----------
    reason : str, optional
        Who asked, for example "SIGTERM"; None if nobody did.
    listening : bool
        Whether tasks are running that can be waited for. Otherwise a run is just interrupted.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.listening = False

    def request(self, reason: str) -> None:
        """Ask; safe in a signal handler."""
        self.reason = reason

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen while the block runs."""
        self.listening = True
        try:
            yield
        finally:
            self.listening = False
