"""Units, UCDs and descriptions in the metadata of an Arrow table.

Published files have them, so that reading a catalog needs only the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.table import QTable

ABOUT = ("unit", "ucd", "description")


def field_text(field: pa.Field, name: str) -> str:
    """One entry of a field's metadata (see `ABOUT`), empty where it has none."""
    return (field.metadata or {}).get(name.encode(), b"").decode()


def describe_fields(schema: pa.Schema) -> str:
    """Documentation of a table as Markdown."""
    about = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    lines = [
        f"## {about.get('table', 'table')}",
        "",
        f"{about.get('description', '')}.",
        "",
        "| column | type | unit | UCD | description |",
        "|---|---|---|---|---|",
    ]
    for field in schema:
        texts = " | ".join(field_text(field, name) for name in ABOUT)
        lines.append(f"| `{field.name}` | {field.type} | {texts} |")
    return "\n".join(lines) + "\n"


def to_qtable(table: pa.Table) -> QTable:
    """An astropy table with units, descriptions, and UCDs in the `meta` of each column.

    Missing numbers are NaN and missing text is empty. Lists of numbers become 2-D columns as
    wide as the longest, padded with NaN.
    """
    from astropy.table import Column, QTable

    width = _longest_list(table)
    columns = [
        Column(
            _to_numpy(table[field.name], width),
            name=field.name,
            unit=field_text(field, "unit") or None,
            description=field_text(field, "description"),
            meta={"ucd": field_text(field, "ucd")},
        )
        for field in table.schema
    ]
    about = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return QTable(columns, meta=about)


def _longest_list(table: pa.Table) -> int:
    import pyarrow.compute as pc  # slow to load

    lists = [field.name for field in table.schema if pa.types.is_list(field.type)]
    lengths = [pc.max(pc.list_value_length(table[name])).as_py() for name in lists]
    return max((length for length in lengths if length), default=1)


def _to_numpy(values: pa.ChunkedArray, width: int) -> NDArray[Any]:
    if pa.types.is_string(values.type):
        return np.array(values.fill_null("").to_pylist(), dtype=str)
    if not pa.types.is_list(values.type):
        return values.to_numpy()
    stacked = np.full((len(values), width), np.nan, values.type.value_type.to_pandas_dtype())
    for target, row in zip(stacked, values.to_numpy(), strict=True):
        if row is not None:
            target[: len(row)] = row
    return stacked
