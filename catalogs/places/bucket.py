"""Folders of buckets, as far as a catalog is read from them and copied to them."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from catalogs.errors import CatalogError

BUCKETS = "s3://"


@dataclass(frozen=True)
class BucketPath:
    """A file or folder of a bucket, with what a catalog needs of `pathlib.Path`.

    Attributes
    ----------
    path : str
        Bucket and key, as ``bucket/run/catalog``.
    filesystem : fsspec.AbstractFileSystem
    """

    path: str
    filesystem: Any

    @classmethod
    def of(cls, url: str) -> BucketPath:
        """The place of a URL; without credentials only public buckets can be read.

        Raises
        ------
        CatalogError
            If it is of another kind than ``s3://bucket/...``, or a package is missing.
        """
        path = url.removeprefix(BUCKETS).strip("/")
        if not url.startswith(BUCKETS) or not path:
            raise CatalogError(
                "catalogs cannot be at such an address", file=url, expected="s3://BUCKET/FOLDER"
            )
        if importlib.util.find_spec("s3fs") is None:
            raise CatalogError(
                "s3:// needs the package s3fs",
                file=url,
                advice='Install it with: pip install "spaxel-survey[remote]"',
            )
        import fsspec
        from botocore.session import get_session

        anonymous = get_session().get_credentials() is None
        filesystem = fsspec.filesystem("s3", anon=anonymous, use_listings_cache=False)
        return cls(path, filesystem)

    def __str__(self) -> str:
        return BUCKETS + self.path

    def __truediv__(self, name: str) -> BucketPath:
        return BucketPath(f"{self.path}/{name}", self.filesystem)

    @property
    def name(self) -> str:
        """The last part of the key."""
        return PurePosixPath(self.path).name

    @property
    def stem(self) -> str:
        """The same without its ending."""
        return PurePosixPath(self.path).stem

    def is_file(self) -> bool:
        """Whether there is an object of this key."""
        return bool(self.filesystem.isfile(self.path))

    def is_dir(self) -> bool:
        """Whether there are objects below it."""
        return bool(self.filesystem.isdir(self.path))

    def glob(self, pattern: str) -> list[BucketPath]:
        """What matches directly below it, in order of key."""
        found = self.filesystem.ls(self.path, detail=False) if self.is_dir() else []
        paths = [BucketPath(path.rstrip("/"), self.filesystem) for path in found]
        return sorted(
            (one for one in paths if PurePosixPath(one.name).match(pattern)),
            key=lambda one: one.path,
        )

    def read_text(self, encoding: str = "utf-8") -> str:
        """Its content.

        Raises
        ------
        FileNotFoundError
        """
        text: str = self.filesystem.cat_file(self.path).decode(encoding)
        return text
