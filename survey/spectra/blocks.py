"""Tables of spectra, one spaxel per row, that may be too large for memory.

An array is such a table. So is any object that returns copies of whole rows when it is indexed by a
slice or by row numbers: an array of a Zarr store, or rows in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

READ_SAMPLES = 2**22
"""Samples that are read at once from a table: about 40 MB of flux, error and mask."""


class Rows(Protocol):
    """A table (n, L) of which parts can be read.

    Indices are a slice without a step, or an array of row numbers, and, for some tables, a
    slice of columns besides.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""

    def __getitem__(self, key: Any, /) -> NDArray[Any]: ...


class WritableRows(Rows, Protocol):
    """A table that can be written, a slice of rows at a time."""

    def __setitem__(self, key: Any, values: Any, /) -> None: ...

    def keep(self, kept: NDArray[np.bool_]) -> Rows:
        """See `keep_rows`."""


Allocate = Callable[[str, tuple[int, ...], np.dtype[Any]], WritableRows | NDArray[Any]]
"""Makes room for a table of a name, a shape and a type."""


def in_memory(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Room for a table in memory."""
    return np.empty(shape, dtype)


def row_blocks(shape: tuple[int, ...], samples: int | None = None) -> Iterator[slice]:
    """Consecutive rows, about so many samples at a time; `READ_SAMPLES` if not given."""
    step = max(1, (samples or READ_SAMPLES) // max(1, shape[1]))
    yield from (slice(i, min(i + step, shape[0])) for i in range(0, shape[0], step))


def blocks_of(rows: Rows) -> Iterator[NDArray[Any]]:
    """The table block by block."""
    return (rows[block] for block in row_blocks(rows.shape))


@dataclass(frozen=True)
class ReadRows:
    """Rows of several tables that were read at once; `first` is the place of the first."""

    first: int
    tables: tuple[NDArray[Any], ...]


def read_blocks(
    tables: tuple[Rows, ...], samples: int, count: int | None = None
) -> Iterator[tuple[slice, tuple[NDArray[Any], ...], ReadRows]]:
    """The first `count` rows of tables in blocks of so many samples.

    Of every block its place, its rows, and what was read at once with it: that is larger than a
    block, which has to fit a cache.
    """
    n_sample = tables[0].shape[1]
    for piece in row_blocks((tables[0].shape[0] if count is None else count, n_sample)):
        read = ReadRows(piece.start, tuple(table[piece] for table in tables))
        for rows in row_blocks(read.tables[0].shape, samples):
            place = slice(piece.start + rows.start, piece.start + rows.stop)
            yield place, tuple(table[rows] for table in read.tables), read


def with_columns(rows: Rows, columns: slice) -> Rows:
    """The table with only some consecutive columns, nothing copied."""
    return rows[:, columns] if isinstance(rows, np.ndarray) else _Columns(rows, columns)


def keep_rows(rows: WritableRows | NDArray[Any], kept: NDArray[np.bool_]) -> Rows:
    """The first ``len(kept)`` rows of a table, and of those the ones that are `kept`.

    A table that is not in memory is changed in place.
    """
    if not isinstance(rows, np.ndarray):
        return rows.keep(kept)
    rows = rows[: len(kept)]
    return rows if kept.all() else rows[kept]


@dataclass(frozen=True)
class _Columns:
    rows: Rows
    columns: slice

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows.shape[0], len(range(*self.columns.indices(self.rows.shape[1])))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.rows.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self.rows[key, self.columns]
