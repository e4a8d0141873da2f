"""Numba's compiler, which keeps what it has compiled where it can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator that compiles a function when it is first called.

    The result is kept beside the source, or in the cache folder of the user, or in
    ``NUMBA_CACHE_DIR``: each kind of processor compiles once. Where nothing can be written, as in
    a container without a home, every process compiles for itself.

    Parameters
    ----------
    options
        Of `numba.njit`, except `cache`.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError as error:
            if "no locator" not in str(error):
                raise
            return njit(**options)(function)

    return decorate
