"""Whether files just written can be read back: one without a footer was never closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from catalogs.errors import CatalogError


def _read_footer(file: Path) -> object:
    import pyarrow.parquet as pq  # slow to load

    return pq.read_metadata(file)


READABLE: dict[str, Callable[[Path], Any]] = {
    "*.arrow": lambda file: ipc.open_file(file.read_bytes()),
    "*.parquet": _read_footer,
}
"""How to check, by its footer, that a file of a part is complete."""


def refuse_unreadable(folder: Path) -> None:
    """Refuse tables without a footer below a folder: nobody can read them.

    Raises
    ------
    CatalogError
        At the first one.
    """
    for pattern, read in READABLE.items():
        for file in folder.rglob(pattern):
            try:
                read(file)
            except (OSError, pa.ArrowException) as error:
                raise CatalogError(
                    f"a file just written cannot be read back ({error})", file=file
                ) from None
