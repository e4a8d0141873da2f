"""Copies a published catalog to a bucket: the manifest last, so that no half is ever read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from catalogs.durable import FileRecord, find_damage
from catalogs.errors import CatalogError
from catalogs.places.bucket import BucketPath
from catalogs.query import open_catalog
from catalogs.versions import MANIFEST, Manifest


def copy_catalog(
    run: str | Path, url: str, *, on_file: Callable[[FileRecord, int], None] = lambda one, n: None
) -> str:
    """Copy the current catalog of a run to a folder of a bucket, where `open_catalog` reads it.

    A catalog that is there is replaced: it cannot be opened until the new one is complete, and its
    files that the new one has not are removed. Anything else in the folder stays.

    Parameters
    ----------
    run : str or Path
        The run directory, or the folder of a catalog.
    url : str
        As ``s3://bucket/folder``.
    on_file : callable
        Called with every file that is copied, and how many there are.

    Returns
    -------
    str
        The URL.

    Raises
    ------
    CatalogError
        If there is no catalog, it is damaged, or the bucket does not take it.
    """
    catalog = open_catalog(run)
    source, target = catalog.folder, BucketPath.of(url)
    manifest = Manifest.read(source)
    if damage := find_damage(source, manifest.files, full=True):
        raise CatalogError(
            f"the catalog is damaged: {damage}",
            file=source,
            advice="Run the survey again, which repairs it",
        )
    filesystem = target.filesystem
    try:
        for path in _files_there(target):
            filesystem.rm_file(path)
        for record in manifest.files:
            to = target / record.path
            filesystem.put_file(str(source / record.path), to.path)
            if (size := filesystem.info(to.path)["size"]) != record.size:
                raise OSError(f"{record.path} has {size} bytes instead of {record.size}")
            on_file(record, len(manifest.files))
        filesystem.put_file(str(source / MANIFEST), (target / MANIFEST).path)
    except Exception as error:  # of botocore, of no common family
        raise CatalogError(
            f"the catalog cannot be copied ({type(error).__name__}: {error})",
            file=str(target),
            advice="Check the bucket and your credentials, and repeat the command",
        ) from error
    return str(target)


def _files_there(target: BucketPath) -> list[str]:
    """The files of a catalog that is there, the manifest first."""
    try:
        content = json.loads((target / MANIFEST).read_text())
        names = [str(record["path"]) for record in content["files"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        names = []
    return [(target / MANIFEST).path, *((target / name).path for name in names)]
