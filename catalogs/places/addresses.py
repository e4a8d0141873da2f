"""Addresses of folders: paths of this machine, and URLs of buckets."""

from __future__ import annotations

import re
from pathlib import Path

from catalogs.errors import SurveyError

# pathlib makes "s3:/bucket" of "s3://bucket".
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/.*", re.I)


def is_url(place: str | Path) -> bool:
    """Whether a place is a URL, also one that was taken for a path."""
    return bool(_URL.match(str(place)))


class NoLocalFolder(SurveyError):
    """A URL where a file or folder of this machine is needed."""


def local_path(place: str | Path) -> Path:
    """A place as a path of a file or folder of this machine, or of a disk that it shares.

    Raises
    ------
    NoLocalFolder
        If it is a URL.
    """
    if is_url(place):
        raise NoLocalFolder(
            "this has to be a path on a local or shared POSIX file system, not a URL",
            found=str(place),
            advice="Write it to a disk; a published catalog is copied to a bucket with "
            "`survey catalog export RUN --to s3://...`, and cubes may be read from URLs.",
        )
    return Path(place)
