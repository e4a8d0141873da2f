"""Temporary tables on disk for matrices and spectra, while a galaxy is computed.

The memory limit of a worker applies to its resident memory, which includes the pages of memory
maps. So these tables are read and written explicitly, some rows or columns at a time. The rest is
only in the page cache, which the system frees when it needs memory. Several processes may write
different rows of one table at the same time.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.errors import MachineError, ResourceError

SCRATCH = ".scratch"
"""Folder of a run with the scratch files of its galaxies."""

PANEL_COLUMNS = 32
"""Columns that are stored together, in a table that is read by columns and by rows."""

_COPY_BYTES = 64 << 20


@dataclass(frozen=True)
class FileRows:
    """A table (n, L) in a file, indexed like an array: see `survey.spectra.blocks`.

    The file holds panels of columns one after the other, each row by row. With one panel that is
    an ordinary array in C order; with narrow ones a few columns are one piece of the file, too.

    Parameters
    ----------
    path : Path
    shape : (int, int)
    dtype : numpy.dtype
    panel : int
        Columns in a panel.
    stored_rows : int
        Rows that the file has room for, of which the table may be the first ones.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    panel: int
    stored_rows: int

    @classmethod
    def create(
        cls,
        path: Path,
        shape: tuple[int, ...],
        dtype: Any,
        *,
        panel: int | None = None,
        filled: float = 1.0,
    ) -> FileRows:
        """Make a file for a table, its content undefined; existing content is lost.

        Of a table of which only a part will be `filled`, the disk holds no more than that.

        Raises
        ------
        MachineError
            If the disk has no room now.
        ResourceError
            If it never will have.
        """
        n_row, n_column = shape
        table = cls(path, (n_row, n_column), np.dtype(dtype), panel or max(1, n_column), n_row)
        size = n_row * n_column * table.dtype.itemsize
        path.parent.mkdir(parents=True, exist_ok=True)
        disk = shutil.disk_usage(path.parent)
        if filled * size > disk.free:
            kind = MachineError if filled * size < disk.total else ResourceError
            raise kind(
                "no room on the disk for the scratch files of a galaxy",
                file=path.parent,
                expected=f"{filled * size:.0f} bytes",
                found=f"{disk.free} bytes free",
                advice="Free some space, or run with workers of more memory.",
            )
        with path.open("wb") as file:
            file.truncate(size)
        return table

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        first, last, _ = columns.indices(self.shape[1])
        runs = _runs(rows, self.shape[0])
        out = np.empty((sum(map(len, runs)), last - first), self.dtype)
        with _open(self.path, os.O_RDONLY) as descriptor:
            for panel in self._panels(first, last):
                inside = slice(max(first - panel.start, 0), last - panel.start)
                target = slice(max(panel.start - first, 0), panel.stop - first)
                at = 0
                for run in runs:
                    place = out[at : at + len(run)]
                    at += len(run)
                    if len(panel) == out.shape[1] == self.shape[1]:
                        self._read(descriptor, run, panel, place)
                        continue
                    block = np.empty((len(run), len(panel)), self.dtype)
                    self._read(descriptor, run, panel, block)
                    place[:, target] = block[:, inside]
        return out

    def __setitem__(self, key: Any, values: Any) -> None:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        first, last, _ = columns.indices(self.shape[1])
        if first % self.panel or (last % self.panel and last != self.shape[1]):
            raise IndexError("columns in a file must be written in whole panels")
        (run,) = _runs(rows, self.shape[0])
        values = np.asarray(values, self.dtype)
        with _open(self.path, os.O_WRONLY) as descriptor:
            for panel in self._panels(first, last):
                block = np.ascontiguousarray(values[:, panel.start - first : panel.stop - first])
                _write_all(descriptor, self.path, block, self._offset(run, panel))

    def keep(self, kept: NDArray[np.bool_]) -> FileRows:
        """The first ``len(kept)`` rows, and of those the ones that are `kept`; the rest is lost."""
        count = int(kept.sum())
        if count < len(kept):
            step = max(1, _COPY_BYTES // (self.shape[1] * self.dtype.itemsize))
            at = 0
            for start in range(0, len(kept), step):
                rows = slice(start, min(start + step, len(kept)))
                remaining = self[rows][kept[rows]]
                # What is overwritten has been read: rows only move towards the beginning.
                self[at : at + len(remaining)] = remaining
                at += len(remaining)
        return replace(self, shape=(count, self.shape[1]))

    def _panels(self, first: int, last: int) -> Iterator[range]:
        """Columns of every panel that has columns from `first` to `last`."""
        for start in range(first - first % self.panel, last, self.panel):
            yield range(start, min(start + self.panel, self.shape[1]))

    def _offset(self, run: range, panel: range) -> int:
        """Place in the file of the first sample of some rows of a panel."""
        before = self.stored_rows * panel.start + run.start * len(panel)
        return before * self.dtype.itemsize

    def _read(self, descriptor: int, run: range, panel: range, out: NDArray[Any]) -> None:
        _read_all(descriptor, self.path, out, self._offset(run, panel))


class Scratch:
    """The folder of what is only needed while one galaxy is being computed.

    Parameters
    ----------
    root : Path
        The run directory.
    name : str
        Of the galaxy, as of a folder. Every attempt has a folder of its own, so that what is
        left of an earlier one cannot come in between.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.path = root / SCRATCH / f"{name}-{uuid.uuid4().hex[:8]}"

    def table(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: Any,
        *,
        panel: int | None = None,
        filled: float = 1.0,
    ) -> FileRows:
        """Make room for a table; see `FileRows.create`."""
        return FileRows.create(self.path / name, shape, dtype, panel=panel, filled=filled)

    def allocate(self, name: str, shape: tuple[int, ...], dtype: Any) -> FileRows:
        """Make room for spectra; those called "flux" and "model" are read by columns, too."""
        panel = PANEL_COLUMNS if name in ("flux", "model") else None
        return self.table(name, shape, dtype, panel=panel)

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.path, ignore_errors=True)


def sweep_scratch(root: Path) -> None:
    """Remove the scratch of all galaxies of a run, when nobody is at work in it."""
    shutil.rmtree(root / SCRATCH, ignore_errors=True)


def _runs(rows: Any, size: int) -> list[range]:
    """Rows chosen by a slice or by increasing numbers, as runs of consecutive ones."""
    if isinstance(rows, slice):
        start, stop, step = rows.indices(size)
        if step != 1:
            raise IndexError("rows in a file are indexed by a slice without a step, or by numbers")
        return [range(start, max(start, stop))]
    numbers = np.asarray(rows, dtype=np.intp)
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    return [range(int(run[0]), int(run[-1]) + 1) for run in np.split(numbers, breaks) if len(run)]


@contextmanager
def _open(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, path: Path, out: NDArray[Any], offset: int) -> None:
    view = out.reshape(-1).view(np.uint8).data
    while len(view):
        count = os.preadv(descriptor, [view], offset)
        if count == 0:
            raise OSError(errno.EIO, "a scratch file is shorter than it was", str(path))
        view, offset = view[count:], offset + count


def _write_all(descriptor: int, path: Path, values: NDArray[Any], offset: int) -> None:
    view = values.reshape(-1).view(np.uint8).data
    try:
        while len(view):
            count = os.pwrite(descriptor, view, offset)
            view, offset = view[count:], offset + count
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
