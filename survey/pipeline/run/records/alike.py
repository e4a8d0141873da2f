"""Messages about many galaxies: those of one cause are told together."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

_FILE = re.compile(r"^(?:/|\w+://)[^\n]*?: ")
_DIFFERS = re.compile(r"\S*/\S*|[-+]?\d[\d.,eE+-]*|'[^']*'|\"[^\"]*\"")
"""Paths, numbers and quoted text."""


def without_file(message: str) -> str:
    """A message of an error without the file that it begins with."""
    return _FILE.sub("", message, count=1)


def cause_of(message: str) -> str:
    """What messages of one cause have in common.

    It is what they say before "; expected" or "; found", without the file that they begin with,
    other paths, numbers, and quoted text.
    """
    return _DIFFERS.sub("*", without_file(message).partition("; ")[0])


class AlikeMessages:
    """Messages about galaxies, grouped by their cause.

    Parameters
    ----------
    messages : iterable of tuple, optional
        Names of galaxies with their messages.
    """

    def __init__(self, messages: Iterable[tuple[str, str]] = ()) -> None:
        self._groups: dict[str, list[tuple[str, str]]] = {}
        for galaxy, message in messages:
            self.add(galaxy, message)

    def add(self, galaxy: str, message: str) -> None:
        """Add a message."""
        self._groups.setdefault(cause_of(message), []).append((galaxy, message))

    def count(self, message: str) -> int:
        """How many messages there are of the cause of this one."""
        return len(self._groups.get(cause_of(message), ()))

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Message and galaxies with their own messages, the commonest cause first.

        The message is that of the first galaxy; of more than one, without its file.
        """
        for group in sorted(self._groups.values(), key=len, reverse=True):
            first = group[0][1]
            yield without_file(first) if len(group) > 1 else first, dict(group)


def named(names: Collection[str], most: int) -> str:
    """Names in a line; of more than `most`, how many others there are."""
    text = ", ".join(islice(names, most))
    return f"{text} and {len(names) - most} more" if len(names) > most else text
