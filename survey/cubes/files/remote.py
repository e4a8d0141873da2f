"""Files of web servers and buckets, read in blocks where they are asked for.

FITS is read here and there, headers first, and a cube is larger than what a reader wants at a
time. So blocks are requested by their range of bytes, each with some attempts, and the last ones
are kept in memory. Nothing is written to a disk. A file that changes meanwhile is refused.
"""

from __future__ import annotations

import importlib.util
import io
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, TypeVar, cast

from survey.cubes.files.windows import forward_only
from survey.errors import ConfigError, DataError, InfrastructureError

REMOTE = {"https": "aiohttp", "http": "aiohttp", "s3": "s3fs"}
"""Kinds of addresses, and the package that each needs."""

BLOCK_BYTES = 4 << 20
KEPT_BYTES = 256 << 20
"""What is kept in memory of an open file: most cubes are fetched once however they are read."""

ATTEMPTS = 4
FIRST_WAIT_S = 0.5
CONNECT_S, READ_S = 30.0, 120.0
"""How long a server may take to connect, and to send anything more."""

_NO_SUCH = {401, 403, 404, 410}
_T = TypeVar("_T")


@dataclass(frozen=True)
class RemoteFacts:
    """What a server tells about a file without sending it.

    Attributes
    ----------
    size : int or None
        Bytes; None if unknown.
    ranges : bool
        Whether it sends parts of the file.
    tag, modified : str
        The ETag, and the time of the last change; "" if unknown.
    """

    size: int | None
    ranges: bool
    tag: str = ""
    modified: str = ""

    @property
    def identity(self) -> tuple[str, ...] | None:
        """What changes with the content; None if the server does not tell."""
        if self.size is None or not (self.tag or self.modified):
            return None
        return ("ETag", self.tag, str(self.size)) if self.tag else (self.modified, str(self.size))


def check_package(url: str) -> None:
    """Refuse a URL whose package is not installed.

    Raises
    ------
    ConfigError
    """
    scheme = url.partition("://")[0]
    package = REMOTE[scheme]
    if importlib.util.find_spec(package) is None:
        raise ConfigError(
            f"{scheme}:// needs the package {package}",
            file=url,
            advice='Install it with: pip install "spaxel-survey[remote]"',
        )


def remote_facts(url: str) -> RemoteFacts:
    """What the server tells about a file.

    Raises
    ------
    ConfigError
        If a package is missing.
    DataError
        If there is no such file, or it is not public.
    InfrastructureError
        If the server cannot be reached.
    """
    check_package(url)
    of_scheme = _facts_of_s3 if url.startswith("s3://") else _facts_of_http
    return _with_attempts(url, lambda: of_scheme(url))


@contextmanager
def open_remote(url: str, block_bytes: int | None = None) -> Iterator[IO[bytes]]:
    """The bytes of a remote file; seekable if the server sends parts of files.

    Raises
    ------
    ConfigError, DataError, InfrastructureError
        As `remote_facts`; also while it is read. A `DataError` at the end if it has changed.
    """
    facts = remote_facts(url)
    if not facts.ranges or facts.size is None:
        with _filesystem(url).open(url, "rb", block_size=0) as stream:
            yield forward_only(_Checked(url, stream, facts.size).read)
        return
    raw = RangeReader(url, facts.size, block_bytes or BLOCK_BYTES)
    yield cast(IO[bytes], io.BufferedReader(raw, 1 << 16))
    if (now := remote_facts(url)).identity != facts.identity:
        raise DataError(
            "the file changed while it was read",
            file=url,
            expected=str(facts.identity),
            found=str(now.identity),
            advice="Run again when it is complete",
        )


class RangeReader(io.RawIOBase):
    """A remote file as a stream that can be read anywhere.

    Parameters
    ----------
    url : str
    size : int
        Its bytes.
    block_bytes : int
        What is requested at a time.
    """

    def __init__(self, url: str, size: int, block_bytes: int) -> None:
        self._url, self._size, self._block = url, size, block_bytes
        self._fs = _filesystem(url)
        self._at = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is requested."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        """The place that is read next."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from one block, or up to the end of the file."""
        if self._at >= self._size:
            return 0
        number, offset = divmod(self._at, self._block)
        data = memoryview(self._get(number))[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _get(self, number: int) -> bytes:
        if number in self._kept:
            self._kept.move_to_end(number)
        else:
            self._kept[number] = _with_attempts(self._url, lambda: self._fetch(number))
            while len(self._kept) > max(2, KEPT_BYTES // self._block):
                self._kept.popitem(last=False)
        return self._kept[number]

    def _fetch(self, number: int) -> bytes:
        start = number * self._block
        end = min(start + self._block, self._size)
        data: bytes = self._fs.cat_file(self._url, start=start, end=end)
        if len(data) != end - start:
            raise OSError(f"{len(data)} bytes came instead of {end - start}")
        return data


class _Checked:
    """A stream that is read forwards, and must have the length that was announced."""

    def __init__(self, url: str, stream: Any, size: int | None) -> None:
        self._url, self._stream, self._size, self._done = url, stream, size, 0

    def read(self, n: int) -> bytes:
        try:
            data: bytes = self._stream.read(n)
        except Exception as error:  # of aiohttp or botocore, of no common family
            raise _unreachable(self._url, error) from error
        self._done += len(data)
        if not data and self._size is not None and self._done != self._size:
            raise _unreachable(self._url, f"{self._done} bytes came instead of {self._size}")
        return data


def _with_attempts(url: str, request: Callable[[], _T]) -> _T:
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    try:
        for attempt in Retrying(
            retry=retry_if_exception_type(_Temporary),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(FIRST_WAIT_S),
            reraise=True,
        ):
            with attempt:
                return _once(url, request)
    except _Temporary as error:
        raise _unreachable(url, error.cause) from error.cause
    raise AssertionError("unreachable")


class _Temporary(Exception):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


def _once(url: str, request: Callable[[], _T]) -> _T:
    try:
        return request()
    except (ConfigError, DataError):
        raise
    except (FileNotFoundError, PermissionError) as error:
        raise _no_such_file(url, type(error).__name__) from error
    except Exception as error:  # of aiohttp or botocore, of no common family
        raise _Temporary(error) from error


def _no_such_file(url: str, found: str) -> DataError:
    return DataError(
        "no such file, or it is not public",
        file=url,
        found=found,
        advice="Correct the column files of the targets table",
    )


def _unreachable(url: str, error: object) -> InfrastructureError:
    kind = f"{type(error).__name__}: " if isinstance(error, Exception) else ""
    return InfrastructureError(
        f"the file cannot be fetched ({kind}{error})",
        file=url,
        advice="Run again later: what is finished is kept",
    )


def _filesystem(url: str) -> Any:
    import fsspec

    if url.startswith("s3://"):
        return fsspec.filesystem("s3", anon=not _has_credentials(), use_listings_cache=False)
    import aiohttp

    options = {
        # Compressed files are cubes as they are stored, not a way of sending them.
        "auto_decompress": False,
        "headers": {"Accept-Encoding": "identity"},
        "timeout": aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=READ_S),
        "trust_env": True,  # proxies
    }
    return fsspec.filesystem("http", client_kwargs=options)


def _has_credentials() -> bool:
    from botocore.session import get_session

    return get_session().get_credentials() is not None


def _facts_of_s3(url: str) -> RemoteFacts:
    info = _filesystem(url).info(url)
    if info.get("type") != "file":
        raise _no_such_file(url, str(info.get("type")))
    return RemoteFacts(
        int(info["size"]), True, str(info.get("ETag") or ""), str(info.get("LastModified") or "")
    )


def _facts_of_http(url: str) -> RemoteFacts:
    """By a request of the first byte: not every server answers HEAD, or says what it can do."""
    from fsspec.asyn import sync

    fs = _filesystem(url)

    async def first_byte() -> tuple[int, Any]:
        session = await fs.set_session()
        async with session.get(fs.encode_url(url), headers={"Range": "bytes=0-0"}) as reply:
            return reply.status, reply.headers

    status, headers = sync(fs.loop, first_byte)
    if status in _NO_SUCH:
        raise _no_such_file(url, f"HTTP {status}")
    if status not in (200, 206, 416):
        raise OSError(f"HTTP {status}")
    ranges = status == 206
    if ranges:
        size = headers.get("Content-Range", "").rpartition("/")[2]
    else:
        size = "0" if status == 416 else headers.get("Content-Length", "")
    return RemoteFacts(
        int(size) if size.isdigit() else None,
        ranges,
        headers.get("ETag", ""),
        headers.get("Last-Modified", ""),
    )
