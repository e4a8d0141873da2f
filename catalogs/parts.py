"""Parts: the result of a stage for one galaxy, written once and verified.

A part is a folder ``RUN/parts/<galaxy>/<stage>-<key>`` and never changes. A small one is packed
into a file of that name, see `catalogs.durable.pack`. Its key is the fingerprint of everything it
was computed from, so an undamaged part is never computed again. It is written elsewhere
(``RUN/.inflight/``) and moved into place in one step. Its receipt, the last file written, lists the
size and hash of every other file.

Small parts of which the next one is made soon are not moved there: they become subfolders of the
file of the part that is made from them (``prepare``, then ``commit(contained=...)``), without the
files that it has itself, and are found there by their own names.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from catalogs.durable import (
    FileRecord,
    Packed,
    find_damage,
    flush,
    flush_file_system,
    flush_tree,
    hash_bytes,
    pack,
    read_entry,
    record_files,
    refuse_unreadable,
    write_json,
)
from catalogs.errors import CatalogError
from catalogs.owners import owned_name, remove

RECEIPT = "receipt.json"
LONGEST_NAME = 120

PACKED_BYTES = 64 << 20
"""Larger parts stay folders: their arrays are mapped, not read."""

REMOVE = "Remove the part and run the survey again."


class DamagedPartWarning(UserWarning):
    """A part did not agree with its receipt; it was discarded and will be computed again."""


@dataclass(frozen=True)
class Receipt:
    """The content list of a part: a worker returns it instead of the data.

    Attributes
    ----------
    galaxy, stage, key : str
        The name of the part; see `PartStore`.
    path : Path
        The folder of the part, or its file, or its subfolder in the file of another part.
    files : tuple of FileRecord
        All files of the part besides the receipt.
    summary : dict
        Facts about the result as JSON values, given by the stage.
    """

    galaxy: str
    stage: str
    key: str
    path: Path
    files: tuple[FileRecord, ...]
    summary: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The content of the receipt file, without the path of the part."""
        content = {
            "galaxy": self.galaxy,
            "stage": self.stage,
            "key": self.key,
            "files": [asdict(record) for record in self.files],
            "summary": self.summary,
        }
        content = json.loads(json.dumps(content))  # as it will be read, before it is hashed
        return content | {"blake2b": _content_hash(content)}

    @classmethod
    def read(cls, path: Path) -> Receipt:
        """Read the receipt of the part in folder `path`.

        Raises
        ------
        CatalogError
            If it is missing or damaged.
        """
        file, packed = path / RECEIPT, Packed.of(path)
        try:
            if packed is not None and packed.prefix and not packed.has(RECEIPT):
                raise FileNotFoundError  # that of the part around it is another one
            content = json.loads(read_entry(path, RECEIPT))
            stated = content.pop("blake2b")
            if _content_hash(content) != stated:
                raise ValueError("its content has changed")
            files = tuple(FileRecord(**record) for record in content.pop("files"))
            return cls(path=path, files=files, **content)
        except FileNotFoundError:
            raise CatalogError("the part has no receipt", file=path) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogError(f"damaged receipt ({error})", file=file) from None

    @property
    def n_bytes(self) -> int:
        """Bytes of its files."""
        return sum(record.size for record in self.files)

    @property
    def is_alone(self) -> bool:
        """Whether it has a place of its own in a run: it is not only prepared, nor in another."""
        return self.path.name == f"{self.stage}-{self.key}" and not self.path.parent.is_file()

    def read_bytes(self, name: str) -> bytes:
        """The content of one of its files, compared with its hash.

        Raises
        ------
        CatalogError
            If there is no such file, or it has changed.
        """
        stated = {record.path: record.blake2b for record in self.files}
        if name not in stated:
            raise CatalogError(f"the part has no file {name!r}", file=self.path, advice=REMOVE)
        try:
            content = read_entry(self.path, name)
        except (ValueError, FileNotFoundError) as error:
            raise CatalogError(
                f"the part is damaged ({error})", file=self.path / name, advice=REMOVE
            ) from None
        if hash_bytes(content) != stated[name]:
            raise CatalogError("the part is damaged", file=self.path / name, advice=REMOVE)
        return content

    def find_damage(self, *, full: bool) -> str | None:
        """Describe what is wrong with its files; None if nothing is."""
        return find_damage(self.path, self.files, full=full)


def _content_hash(content: dict[str, Any]) -> str:
    return hash_bytes(json.dumps(content, sort_keys=True).encode())


class PartStore:
    """The parts of one survey.

    Parameters
    ----------
    root : str or Path
        The run directory.

    Notes
    -----
    A part belongs to a `galaxy` (its name), a `stage` and a `key`, the fingerprint of everything
    the result depends on. Any number of processes may commit and find parts at the same time.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @classmethod
    def of(cls, part: Path) -> PartStore:
        """The store that a part lies in, by the part's path."""
        return cls(part.parents[2])

    def path(self, galaxy: str, stage: str, key: str) -> Path:
        """The folder of a part, or its file, which need not exist."""
        return self.root / "parts" / safe_name(galaxy) / f"{stage}-{key}"

    def place(self, galaxy: str, stage: str, key: str) -> Path | None:
        """Where a part is: its folder or file, or inside the file of another; None if it is not."""
        path = self.path(galaxy, stage, key)
        if path.exists():
            return path
        try:
            others = sorted(path.parent.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return None
        for file in others:
            if file.is_file() and Packed(file, f"{path.name}/").has(RECEIPT):
                return file / path.name
        return None

    def find(self, galaxy: str, stage: str, key: str, *, full: bool = False) -> Receipt | None:
        """The receipt of a part; None if the part is missing or damaged.

        A damaged part is removed with a `DamagedPartWarning`, and with it the part that contains
        it. Sizes of files are always verified; `full` also reads every file and compares the
        hashes.
        """
        found = self.check(galaxy, stage, key, full=full)
        if isinstance(found, Receipt | None):
            return found
        path = self.place(galaxy, stage, key) or self.path(galaxy, stage, key)
        if path.parent.is_file():
            path = path.parent
        self._discard(path)
        warnings.warn(f"{path}: {found}; the part was discarded", DamagedPartWarning, stacklevel=2)
        return None

    def check(
        self, galaxy: str, stage: str, key: str, *, full: bool = False
    ) -> Receipt | str | None:
        """The receipt of a part, or what is wrong with it, or None if there is none.

        Nothing is changed; see `find`.
        """
        path = self.place(galaxy, stage, key)
        if path is None:
            return None
        try:
            receipt = Receipt.read(path)
            damage = receipt.find_damage(full=full)
        except CatalogError as error:
            return error.message
        if (receipt.galaxy, receipt.stage, receipt.key) != (galaxy, stage, key):
            return f"its receipt is for {receipt.galaxy!r}, {receipt.stage}-{receipt.key}"
        return receipt if damage is None else damage

    def prepare(
        self,
        galaxy: str,
        stage: str,
        key: str,
        write: Callable[[Path], None],
        summary: dict[str, Any] | None = None,
    ) -> Receipt:
        """Write a part for this process alone, see `commit`; nothing is flushed.

        Nobody finds it until it is given to a later `commit`, or to `move_into_place`.
        """
        folder = self._inflight_path()
        folder.mkdir(parents=True)
        try:
            return self._write(Receipt(galaxy, stage, key, folder, (), summary or {}), write)
        except BaseException:
            remove(folder)
            raise

    def move_into_place(self, prepared: Receipt, *, lasting: bool) -> Receipt:
        """Commit a prepared part by itself."""
        target = self.path(prepared.galaxy, prepared.stage, prepared.key)
        receipt, packed = replace(prepared, path=target), prepared.n_bytes <= PACKED_BYTES
        return self._commit(receipt, prepared.path, packed=packed, lasting=lasting)

    def forget(self, prepared: Receipt) -> None:
        """Remove a prepared part, which another one contains by now."""
        remove(prepared.path)

    def commit(
        self,
        galaxy: str,
        stage: str,
        key: str,
        write: Callable[[Path], None],
        summary: dict[str, Any] | None = None,
        *,
        packed: bool = False,
        lasting: bool = True,
        contained: Sequence[Receipt] = (),
    ) -> Receipt:
        """Write a part and move it into place once everything is on the disk.

        If an undamaged part with this key exists already (a task may run twice), it is kept.

        Parameters
        ----------
        galaxy, stage, key : str
            The name of the part.
        write : callable
            Called with an empty folder; writes the files of the part into it.
        summary : dict, optional
            Facts for the receipt, as JSON values.
        packed : bool
            Whether it becomes one file, if it is not large.
        lasting : bool
            Whether it is on the disk under its name when this returns. If not, a power failure in
            the next seconds may cost it (half a part it never leaves); the next lasting part of the
            run makes it last, too.
        contained : sequence of Receipt
            Parts of the galaxy that this one is made from, which it is to contain: small ones,
            since it becomes one file.

        Raises
        ------
        CatalogError
            If what was written cannot be read back.
        """
        target = self.path(galaxy, stage, key)
        folder = self._inflight_path()
        folder.mkdir(parents=True)
        try:
            receipt = Receipt(galaxy, stage, key, target, (), summary or {})

            def write_all(folder: Path) -> None:
                write(folder)
                for part in contained:
                    _contain(part, folder)

            receipt = self._write(receipt, write_all, folder)
            packed = bool(contained) or (packed and receipt.n_bytes <= PACKED_BYTES)
            return self._commit(receipt, folder, packed=packed, lasting=lasting)
        finally:
            remove(folder)

    def _write(
        self, receipt: Receipt, write: Callable[[Path], None], folder: Path | None = None
    ) -> Receipt:
        """Write the files of a part, and last its receipt, into an empty folder."""
        folder = folder or receipt.path
        write(folder)
        files = record_files(folder)
        refuse_unreadable(folder)
        receipt = replace(receipt, files=files)
        write_json(folder / RECEIPT, receipt.to_json(), flushed=False)
        return receipt

    def _commit(self, receipt: Receipt, folder: Path, *, packed: bool, lasting: bool) -> Receipt:
        """Flush a written part and move it into place."""
        target, packed_file = receipt.path, self._inflight_path()
        try:
            if packed:
                pack(folder, packed_file)
                flush(packed_file)
                made = packed_file
            else:
                flush_tree(folder)
                made = folder
            if not self._move_into_place(made, target, lasting=lasting):
                # Another task was faster. Its part is kept; find() removes it if it is damaged.
                other = self.find(receipt.galaxy, receipt.stage, receipt.key)
                if other is not None:
                    return other
                self._move_into_place(made, target, lasting=lasting)
            return receipt
        finally:
            remove(folder)
            remove(packed_file)

    def _inflight_path(self) -> Path:
        return self.root / ".inflight" / owned_name()

    def _move_into_place(self, made: Path, target: Path, *, lasting: bool) -> bool:
        """Rename `made` to `target` and flush; False if `target` exists already."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            return False
        try:
            made.rename(target)
        except OSError:
            if target.exists():
                return False
            raise
        if lasting and not flush_file_system(self.root):
            for parent in (target.parent, target.parent.parent, self.root):
                flush(parent)
        return True

    def _discard(self, path: Path) -> None:
        # Renamed first, so that nobody finds it half removed.
        moved = self._inflight_path()
        moved.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.rename(moved)
        except FileNotFoundError:
            return
        remove(moved)


def safe_name(name: str) -> str:
    """A folder name for `name`, different for every name.

    Letters, digits and ``- _ . +`` stay; everything else is percent-encoded, and so is a
    leading ``.`` or ``_``, which readers of Parquet skip. A name that is too long for a file system
    is cut, and ends in ``~`` and a hash of the whole name.

    Raises
    ------
    CatalogError
        If the name is empty.
    """
    if not name:
        raise CatalogError("a galaxy has no name")
    encoded = quote(name, safe="+").replace("~", "%7E")
    if encoded[0] in "._":
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if len(encoded) > LONGEST_NAME:
        digest = hash_bytes(name.encode())
        encoded = f"{encoded[: LONGEST_NAME - len(digest) - 1]}~{digest}"
    return encoded


def _contain(part: Receipt, folder: Path) -> None:
    """Write a part into a subfolder of another one, without the files that that one has itself."""
    inside = folder / f"{part.stage}-{part.key}"
    for record in part.files:
        content = part.read_bytes(record.path)
        outside = folder / record.path
        if outside.is_file() and outside.read_bytes() == content:
            continue
        file = inside / record.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    inside.mkdir(exist_ok=True)
    write_json(inside / RECEIPT, part.to_json(), flushed=False)
