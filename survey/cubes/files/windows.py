"""Streams of bytes within others: a piece of a file, and one that is only read forwards."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any, cast

BUFFER_BYTES = 1 << 16


class _Window(io.RawIOBase):
    def __init__(self, content: IO[bytes], start: int, size: int) -> None:
        self._content, self._start, self._size = content, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._size - self._at))
        self._content.seek(self._start + self._at)
        data = self._content.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class _Forward(io.RawIOBase):
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def window(content: IO[bytes], start: int, size: int) -> IO[bytes]:
    """The bytes `start` to ``start + size`` of a seekable stream, as a stream of their own."""
    return cast(IO[bytes], io.BufferedReader(_Window(content, start, size), BUFFER_BYTES))


def forward_only(read: Callable[[int], bytes]) -> IO[bytes]:
    """A stream of what `read` gives, from the beginning to the end; it has `peek`."""
    return cast(IO[bytes], io.BufferedReader(_Forward(read), BUFFER_BYTES))
