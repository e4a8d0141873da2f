"""Versions of a catalog, and the link to the current one.

``RUN/catalog`` is a symbolic link to ``RUN/.versions/vNNNN``. A version never changes. Its manifest
lists what it was made from, and the size and hash of every file. A copy of the manifest beside the
version, with the rows of `quarantine`, is enough to publish a damaged version anew.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from catalogs.durable import FileRecord, find_damage, flush, hash_bytes, write_json, write_text
from catalogs.errors import CatalogError
from catalogs.places.bucket import BucketPath
from catalogs.vocabulary import Vocabulary

SCHEMA_VERSION = "11"
"""Raised whenever the name, the type or the meaning of a column changes."""

LINK = "catalog"
FOLDER = ".versions"
BUILDING = ".building"
MANIFEST = "_manifest.json"  # Readers of Parquet skip names that begin with an underscore.

VERSION_NAME = re.compile(r"v\d{4,}")

VERSIONS_KEPT = 3
READER_GRACE_S = 60.0
"""An old version is kept at least so long after its replacement, for those who read it."""


@dataclass(frozen=True)
class Manifest:
    """What a version was made from, and its files.

    Attributes
    ----------
    version, schema_version : str
        Name of the version, and version of the declared tables.
    parts : tuple of (galaxy, stage, key)
        The parts that it was published from.
    quarantine : str
        Hash of the rows of the table `quarantine`.
    metadata : dict of str
        Facts given by the publisher.
    products : dict of str
        Keys of the parts of the whole survey, by product (see `catalogs.survey_parts`).
    vocabulary : Vocabulary
        The lines, bands, ratios and classes that columns are named after.
    files : tuple of FileRecord
        All files of the version besides the manifest.
    """

    version: str
    schema_version: str
    parts: tuple[tuple[str, ...], ...]
    quarantine: str
    metadata: dict[str, str]
    products: dict[str, str]
    vocabulary: Vocabulary
    files: tuple[FileRecord, ...]

    @classmethod
    def read(cls, version: Path | BucketPath) -> Manifest:
        """Read the manifest in the folder of a version.

        Raises
        ------
        OtherSchemaError
            If it is of another version of the tables.
        CatalogError
            If it is missing or damaged.
        """
        return cls._from_json(version / MANIFEST, _read_hashed)

    @classmethod
    def read_copy(cls, root: Path, version: str) -> tuple[Manifest, list[dict[str, Any]]]:
        """Read the copy of a manifest, and the rows of `quarantine`.

        Raises
        ------
        CatalogError
            As for `read`.
        """
        rows: list[dict[str, Any]] = []

        def read(file: Path) -> dict[str, Any]:
            content = _read_hashed(file)
            rows.extend(content.pop("quarantine_rows"))
            return content

        return cls._from_json(_copy_of_manifest(root, version), read), rows

    @classmethod
    def _from_json(cls, file: Path | BucketPath, read: Callable[[Any], dict[str, Any]]) -> Manifest:
        try:
            content = read(file)
            if content["schema_version"] != SCHEMA_VERSION:
                raise OtherSchemaError(
                    "the catalog was written by another version of the survey",
                    file=str(file),
                    expected=f"schema {SCHEMA_VERSION}",
                    found=str(content["schema_version"]),
                    advice="Run the survey again: it computes and publishes what has changed.",
                )
            content["parts"] = tuple(tuple(part) for part in content["parts"])
            content["vocabulary"] = Vocabulary.from_json(content["vocabulary"])
            content["files"] = tuple(FileRecord(**record) for record in content["files"])
            return cls(**content)
        except FileNotFoundError:
            raise CatalogError("the catalog has no manifest", file=str(file)) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogError(f"damaged manifest ({error})", file=str(file)) from None

    def write(self, version: Path) -> None:
        """Write it into the folder of a version."""
        write_json(version / MANIFEST, _hashed(asdict(self)))

    def write_copy(self, root: Path, quarantine: Sequence[Mapping[str, Any]]) -> None:
        """Write its copy beside the versions, with the rows of `quarantine`."""
        content = asdict(self) | {"quarantine_rows": list(quarantine)}
        text = json.dumps(_hashed(content), indent=1, sort_keys=True, ensure_ascii=False)
        write_text(_copy_of_manifest(root, self.version), text)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Everything that determines the content of the version."""
        return (
            self.schema_version,
            self.parts,
            self.quarantine,
            self.metadata,
            self.products,
            self.vocabulary,
        )


class OtherSchemaError(CatalogError):
    """A manifest of another version of the tables."""


def _hashed(content: Mapping[str, Any]) -> dict[str, Any]:
    """JSON content with its own hash."""
    plain = json.loads(json.dumps(content))  # as it will be read
    return plain | {"blake2b": _content_hash(plain)}


def _read_hashed(file: Path | BucketPath) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    stated = content.pop("blake2b", None)
    if stated is not None and stated != _content_hash(content):  # Older ones have no hash.
        raise ValueError("its content has changed")
    return content


def _content_hash(content: Mapping[str, Any]) -> str:
    return hash_bytes(json.dumps(content, sort_keys=True).encode())


def _copy_of_manifest(root: Path, version: str) -> Path:
    return root / FOLDER / f".{version}.json"


def current_version(root: Path) -> Path | None:
    """The folder that ``RUN/catalog`` links to, or None if nothing was published yet."""
    link = root / LINK
    return link.resolve() if link.is_dir() else None


def link_of(version: Path) -> Path:
    """The link of the run that a version is in, which is how people name a catalog."""
    return version.parents[1] / LINK if version.parent.name == FOLDER else version


def is_made_from(version: Path, inputs: tuple[Any, ...]) -> bool:
    """Whether a version was made from `inputs` (see `Manifest.inputs`) and is complete."""
    try:
        manifest = Manifest.read(version)
    except CatalogError:
        return False
    return manifest.inputs == inputs and find_damage(version, manifest.files, full=False) is None


def version_names(root: Path) -> list[str]:
    """Names of all versions, the newest last."""
    return [path.name for path in _all_versions(root)]


def next_version(root: Path) -> Path:
    """The folder of the next version; numbers are never used twice."""
    last = max(map(_number, _all_versions(root)), default=0)
    return root / FOLDER / f"v{last + 1:04d}"


def number(version: str) -> int:
    """The number of a version, by its name."""
    return int(version[1:])


def make_current(root: Path, version: Path) -> None:
    """Swap the link: a reader finds either the previous version or this one.

    Raises
    ------
    CatalogError
        If a file or folder has the name of the link.
    """
    link = root / LINK
    if link.exists() and not link.is_symlink():
        raise CatalogError(
            "cannot link to the new version of the catalog",
            file=link,
            expected="a symbolic link",
            found="a folder or file",
            advice="Perhaps the run was copied without its links. Move this away and run again.",
        )
    new = root / ".catalog-next"
    new.unlink(missing_ok=True)
    new.symlink_to(Path(FOLDER) / version.name)
    new.replace(link)
    flush(root)


def remove_old_versions(root: Path) -> None:
    """Remove old versions, but keep the last few and those that somebody may still read."""
    versions = _all_versions(root)
    kept = {*versions[-VERSIONS_KEPT:], current_version(root)}
    for version, successor in pairwise(versions):
        replaced_s = time.time() - successor.stat().st_mtime
        if version not in kept and replaced_s > READER_GRACE_S:
            # The folder last: what is left of it shows that the removal was not finished.
            _copy_of_manifest(root, version.name).unlink(missing_ok=True)
            shutil.rmtree(version)


def _all_versions(root: Path) -> list[Path]:
    found = (root.resolve() / FOLDER).glob("v*")
    return sorted((path for path in found if VERSION_NAME.fullmatch(path.name)), key=_number)


def _number(path: Path) -> int:
    return number(path.name)
