"""The error of this package, which knows nothing of `survey` and so has a family of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


class CatalogError(Exception):
    """A catalog or reference table is missing, damaged, or asked for what it does not hold.

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
        return f"{text}. {self.advice}" if self.advice is not None else text

    def __reduce__(self) -> tuple[Callable[..., CatalogError], tuple[Any, ...]]:
        # Errors travel between processes by pickle, keyword arguments included.
        details = {name: getattr(self, name) for name in ("file", "expected", "found", "advice")}
        return _rebuild, (type(self), self.message, details)


def _rebuild(
    kind: type[CatalogError], message: str, details: dict[str, str | None]
) -> CatalogError:
    return kind(message, **details)
