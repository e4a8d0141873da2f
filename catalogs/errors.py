"""The base class of all errors raised on purpose: file, what was expected, what was found.

The classes of `survey.errors` are derived from `SurveyError`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from catalogs.printable import printable

LINE_END = "\n"


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
        text = printable(text)
        if self.advice is not None:
            # What we write; examples in it have lines of their own.
            text += f". {printable(self.advice, keep=LINE_END)}"
        return text

    def __reduce__(self) -> tuple[Callable[..., SurveyError], tuple[Any, ...]]:
        # Errors travel from worker to driver by pickle, keyword arguments included.
        return _rebuild, (type(self), self.message, self.details())

    def details(self) -> dict[str, Any]:
        """Everything but the message, as keyword arguments for another error of the kind."""
        return {
            "file": self.file,
            "expected": self.expected,
            "found": self.found,
            "advice": self.advice,
        }


def _rebuild(kind: type[SurveyError], message: str, details: dict[str, Any]) -> SurveyError:
    return kind(message, **details)


class CatalogError(SurveyError):
    """A catalog or reference table is missing, damaged, or asked for what it does not hold."""
