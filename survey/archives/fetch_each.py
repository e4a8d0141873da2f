"""Fetches one thing after the other, until all are tried or the archive is down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from survey.errors import DataError, InfrastructureError

FIRST_WAIT_S = 2.0
GIVE_UP_AFTER = 3
"""After so many things in a row that could not be fetched the archive counts as down."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class FetchReport:
    """How a download ended.

    Attributes
    ----------
    fetched, present : int
        How many were fetched, and how many were there already.
    failures : tuple of DataError
    """

    fetched: int
    present: int
    failures: tuple[DataError, ...]


def fetch_each(
    wanted: Iterable[_T],
    fetch: Callable[[_T], bool],
    *,
    name: Callable[[_T], str],
    on_done: Callable[[_T], None] = lambda one: None,
) -> FetchReport:
    """Fetch all that is wanted; what fails is reported, and the rest is fetched.

    Parameters
    ----------
    wanted : iterable
    fetch : callable
        Fetches one; returns False if it was there already.
    name : callable
        The name of one, for messages.
    on_done : callable
        Called with each one that is there or has failed.

    Raises
    ------
    InfrastructureError
        If the archive is down.
    """
    fetched = present = down = 0
    failures: list[DataError] = []
    for one in wanted:
        try:
            if fetch(one):
                fetched, down = fetched + 1, 0
            else:
                present += 1
        except DataError as error:
            failures.append(error)
            down = 0
        except InfrastructureError as error:
            failures.append(DataError(error.message, file=name(one)))
            down += 1
            if down == GIVE_UP_AFTER:
                raise
        on_done(one)
    return FetchReport(fetched, present, tuple(failures))


def attempts(most: int) -> Retrying:
    """Calls a function again while the archive cannot be reached, after longer and longer waits."""
    return Retrying(
        retry=retry_if_exception_type(InfrastructureError),
        stop=stop_after_attempt(most),
        wait=wait_exponential(FIRST_WAIT_S),
        reraise=True,
    )
