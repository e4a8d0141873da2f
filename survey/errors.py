"""The exception family: every message says which file, what was expected, what was found.

The class of an error decides what the survey does with it:

=====================  ==========================================================
`DataError`            the input is at fault: quarantine the galaxy, never retry
`IntegrityError`       something of ours on disk is damaged: discard it, recompute
`ResourceError`        memory or disk: retry alone, then quarantine
`MemoryNeeded`         the same, and how much would do: retry where there is so much
`InfrastructureError`  the cluster went away: no galaxy is to blame, resume later
`ConfigError`          the user's settings are at fault: stop before any work
=====================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


class SurveyError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message : str
        One sentence that says what went wrong.
    file : str or Path, optional
        The file concerned.
    expected, found : str, optional
        What was needed and what was there instead.
    advice : str, optional
        What the user can do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        expected: str | None = None,
        found: str | None = None,
        advice: str | None = None,
    ) -> None:
        self.message = message
        self.file = None if file is None else str(file)
        self.expected = expected
        self.found = found
        self.advice = advice
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.file}: {self.message}" if self.file else self.message
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.found is not None:
            text += f"; found {self.found}"
        if self.advice is not None:
            text += f". {self.advice}"
        return text

    def __reduce__(self) -> tuple[Callable[..., SurveyError], tuple[Any, ...]]:
        # Errors travel from worker to driver by pickle, keyword arguments included.
        return _rebuild, (type(self), self.message, self._details())

    def _details(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "expected": self.expected,
            "found": self.found,
            "advice": self.advice,
        }


def _rebuild(kind: type[SurveyError], message: str, details: dict[str, Any]) -> SurveyError:
    return kind(message, **details)


class DataError(SurveyError):
    """The input data cannot be processed; repeating the attempt would change nothing."""


class IntegrityError(SurveyError):
    """A store, part or catalog written by the survey is incomplete or damaged."""


class ResourceError(SurveyError):
    """The machine has not enough memory or disk for the work."""


class MemoryNeeded(ResourceError):
    """A worker has not the memory for the work; another may have it.

    Parameters
    ----------
    needed_bytes : int
        The memory limit that a worker has to have.
    """

    def __init__(self, message: str, *, needed_bytes: int, **details: Any) -> None:
        super().__init__(message, **details)
        self.needed_bytes = needed_bytes

    def _details(self) -> dict[str, Any]:
        return {**super()._details(), "needed_bytes": self.needed_bytes}


class InfrastructureError(SurveyError):
    """The Dask cluster was lost; what is committed stays, and the survey can be resumed."""


class ConfigError(SurveyError):
    """The settings, or the way a command was called, make no sense."""


class SurveyWarning(UserWarning):
    """Something the user should know that stops nothing."""


class SettingsWarning(SurveyWarning):
    """Settings that have no effect, or another one than the user may think."""
