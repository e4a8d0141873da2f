"""Where the file of a cube is: on a disk, on a web server, in a bucket, or in a zip archive.

A `CubeFile` is an address that any process can open. Nothing else in the survey asks what kind of
place it is: it is opened, hashed and named through this class.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import parse_qsl, unquote, urlsplit

from catalogs.durable import hash_bytes, hash_file, hash_stream
from survey.cubes.files.input_file import open_input, regular_file
from survey.cubes.files.remote import REMOTE, check_package, open_remote, remote_facts
from survey.cubes.files.structure import ALWAYS_BYTES, MOST_RATIO
from survey.cubes.files.windows import forward_only, window
from survey.errors import ConfigError, DataError

SCHEMES = ("file", "zip", *REMOTE)
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.I | re.S)
_CHAIN = "::"
_LOCAL_HEADER_BYTES = 30


@dataclass(frozen=True, order=True)
class CubeFile:
    """The file of a cube, wherever it is. `str` of it is its address, for messages.

    Attributes
    ----------
    address : str
        An absolute path; ``https://...``, ``http://...`` or ``s3://bucket/key``; or
        ``zip://MEMBER::ADDRESS`` for a member of a zip archive that is at such an address.
    """

    address: str

    @classmethod
    def of(cls, given: str | Path | CubeFile, folder: Path | None = None) -> CubeFile:
        """The file that is meant; paths are relative to `folder`, or to the current one.

        Raises
        ------
        ConfigError
            If it is a URL of a kind that cannot be read.
        """
        if isinstance(given, CubeFile):
            return given
        text = str(given).strip()
        found = _URL.fullmatch(text)
        if found is None:
            return cls(str(((folder or Path.cwd()) / given).absolute()))
        scheme, rest = found[1].lower(), found[2]
        if scheme not in SCHEMES:
            raise ConfigError(
                "cubes cannot be read from such an address",
                file=text,
                expected=f"a path, or {', '.join(f'{one}://' for one in SCHEMES)}",
                found=f"{found[1]}://",
            )
        if scheme == "file":
            return cls(unquote(urlsplit(text).path))
        if scheme == "zip":
            return cls._in_archive(text, rest, folder)
        return cls(f"{scheme}://{rest}")

    @classmethod
    def _in_archive(cls, text: str, rest: str, folder: Path | None) -> CubeFile:
        member, chain, archive = rest.partition(_CHAIN)
        if not (member and chain and archive):
            raise ConfigError(
                "a member of an archive needs two names",
                file=text,
                expected="zip://MEMBER::ARCHIVE, such as zip://cube.fits::cubes.zip",
            )
        return cls(f"zip://{member}{_CHAIN}{cls.of(archive, folder).address}")

    def __str__(self) -> str:
        return self.address

    def __fspath__(self) -> str:
        if self.local is None:
            raise TypeError(f"{self.address} is not on this machine")
        return self.address

    @cached_property
    def _url(self) -> tuple[str, str]:
        found = _URL.fullmatch(self.address)
        return (found[1], found[2]) if found else ("", self.address)

    @property
    def local(self) -> Path | None:
        """The path of a file of its own on a disk; None for others."""
        return None if self._url[0] else Path(self.address)

    @property
    def _archive(self) -> CubeFile | None:
        scheme, rest = self._url
        return CubeFile(rest.partition(_CHAIN)[2]) if scheme == "zip" else None

    @property
    def _member(self) -> str:
        return self._url[1].partition(_CHAIN)[0]

    @property
    def is_remote(self) -> bool:
        """Whether it, or the archive that it is in, is on another machine."""
        return self._archive.is_remote if self._archive else self._url[0] in REMOTE

    @property
    def name(self) -> str:
        """The last part of its address; of a query (``?uri=mast:JWST/product/x.fits``) the same."""
        if self._archive is not None:
            return PurePosixPath(self._member).name
        if self._url[0] not in ("http", "https"):
            return PurePosixPath(self._url[1]).name
        parts = urlsplit(self.address)
        name = PurePosixPath(unquote(parts.path)).name
        if "." not in name:
            values = [value for _, value in parse_qsl(parts.query) if "." in value]
            name = PurePosixPath(values[-1]).name if values else name
        return name or parts.netloc

    @property
    def folder_name(self) -> str:
        """The name of the folder, or the archive, that it is in."""
        if self._archive is not None:
            return self._archive.name
        return PurePosixPath(self.recorded.rpartition("/")[0]).name

    @property
    def recorded(self) -> str:
        """Its address, with symbolic links to a file resolved; others stay as they are."""
        real = self.address if self.local is None else os.path.realpath(self.local)
        return real if Path(real).is_file() else self.address

    def beside(self, name: str) -> CubeFile:
        """Another file in the same folder, or in the same archive."""
        if self._archive is not None:
            folder = PurePosixPath(self._member).parent
            return CubeFile(f"zip://{folder / name}{_CHAIN}{self._archive.address}")
        if self.local is not None:
            return CubeFile.of(self.local.parent / name)
        return CubeFile(f"{self.address.partition('?')[0].rpartition('/')[0]}/{name}")

    def check_package(self) -> None:
        """Refuse an address whose package is not installed.

        Raises
        ------
        ConfigError
        """
        if self._archive is not None:
            self._archive.check_package()
        elif self.is_remote:
            check_package(self.address)

    def is_file(self) -> bool:
        """Whether the file is there, as far as can be told without a request."""
        if self._archive is not None:
            return self._archive.is_file()
        return self.is_remote or Path(self.address).is_file()

    @contextmanager
    def open(self, *, block_bytes: int | None = None) -> Iterator[IO[bytes]]:
        """Its bytes: seekable, and then read where they are asked for; or else from the beginning.

        Only that is fetched of a remote file which is read, in blocks of `block_bytes`. A file
        of a server that sends no parts of files, and a compressed member of an archive, are not
        seekable.

        Raises
        ------
        DataError
            If there is no such file, or it has changed when it is closed.
        InfrastructureError
            If it cannot be reached, after some attempts.
        """
        if self._archive is not None:
            with self._archive.open(block_bytes=block_bytes) as archive:
                yield self._member_of(archive)
        elif self.is_remote:
            with open_remote(self.address, block_bytes) as stream:
                yield stream
        else:
            with open_input(self.address) as stream:
                yield stream

    def content_hash(self) -> str:
        """Hash of its content, or of what identifies the content of a remote file.

        That is the ETag with the size, or else the size with the time of the last change. Of a
        server that tells neither, the file is read.

        Raises
        ------
        DataError, InfrastructureError
            See `open`.
        """
        archive = self._archive
        if archive is not None and archive.is_remote:
            return hash_bytes(json.dumps([self._member, archive.content_hash()]).encode())
        if archive is None and self.is_remote:
            identity = remote_facts(self.address).identity
            if identity is not None:
                return hash_bytes(json.dumps([self.address, *identity]).encode())
        if archive is None and self.local is not None:
            regular_file(self.local)
            return hash_file(self.local)
        with self.open() as stream:
            return hash_stream(stream)

    def _member_of(self, archive: IO[bytes]) -> IO[bytes]:
        if not archive.seekable():
            raise DataError(
                "a member of an archive cannot be read from a server that sends no parts of files",
                file=self.address,
                advice="Download the archive",
            )
        try:
            content = zipfile.ZipFile(archive)
            info = content.getinfo(self._member)
        except zipfile.BadZipFile as error:
            raise DataError(f"not a zip archive ({error})", file=self.address) from None
        except KeyError:
            names = [name for name in content.namelist() if not name.endswith("/")]
            raise DataError(
                "no such member of the archive",
                file=self.address,
                expected=self._member,
                found=", ".join(names[:5]) + (" ..." if len(names) > 5 else "") or "nothing",
            ) from None
        most = max(ALWAYS_BYTES, MOST_RATIO * info.compress_size)
        if info.file_size > most:
            raise DataError(
                "the member would unpack to more than a cube of its size can",
                file=self.address,
                expected=f"{most} bytes or less from {info.compress_size} bytes",
                found=f"{info.file_size} bytes",
            )
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            return forward_only(content.open(info).read)
        archive.seek(info.header_offset)
        header = archive.read(_LOCAL_HEADER_BYTES)
        lengths = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
        start = info.header_offset + _LOCAL_HEADER_BYTES + sum(lengths)
        return window(archive, start, info.file_size)
