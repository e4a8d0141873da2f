"""VOParquet: the header of a VOTable in the footer of a Parquet file.

After the IVOA note "Parquet in the VO" (version 1.0): a VOTable without data, under the key
``IVOA.VOTable-Parquet.content``, has the units, UCDs and descriptions of the columns. astropy
(``Table.read(file, format="parquet.votable")``) and TOPCAT read it. astropy also wants the length
of the longest text of every column of texts.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from catalogs.fields import field_text

PREFIX = b"IVOA.VOTable-Parquet."
LENGTH = "table::len::"

_TYPES = {
    pa.bool_(): "boolean",
    pa.int16(): "short",
    pa.int32(): "int",
    pa.int64(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.string(): "unicodeChar",
}
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")


def vo_metadata(schema: pa.Schema, lengths: dict[str, int]) -> dict[bytes, bytes]:
    """The key-value metadata that make a Parquet file of this schema VOParquet.

    `lengths` are those of its texts, see `text_lengths`.
    """
    return {
        PREFIX + b"version": b"1.0",
        PREFIX + b"content": votable_header(schema, lengths).encode(),
    }


def write_vo_parquet(table: pa.Table, path: Path) -> None:
    """Write a table of the catalog as one VOParquet file."""
    import pyarrow.parquet as pq  # slow to load

    table = without_missing_text(table)
    lengths = text_lengths(table)
    schema = table.schema.with_metadata((table.schema.metadata or {}) | length_metadata(lengths))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(vo_metadata(table.schema, lengths))


def votable_header(schema: pa.Schema, lengths: dict[str, int]) -> str:
    """A VOTable (XML) with the columns of a schema and no data."""
    from xml.sax.saxutils import escape, quoteattr  # slow to load

    about = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    facts = [
        f'<PARAM name={quoteattr(key)} datatype="char" arraysize="*" value={quoteattr(value)}/>'
        for key, value in about.items()
        if key not in ("table", "description")
    ]
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">',
            '<RESOURCE type="results">',
            f"<TABLE name={quoteattr(about.get('table', 'table'))}>",
            f"<DESCRIPTION>{escape(about.get('description', ''))}</DESCRIPTION>",
            *(_field(field, lengths.get(field.name, 1)) for field in schema),
            *facts,
            "</TABLE>",
            "</RESOURCE>",
            "</VOTABLE>",
        ]
    )


def _field(field: pa.Field, longest: int) -> str:
    from xml.sax.saxutils import escape, quoteattr  # slow to load

    kind = field.type.value_type if pa.types.is_list(field.type) else field.type
    size = "*" if pa.types.is_list(field.type) else f"{longest}*" if kind == pa.string() else ""
    attributes = {"name": field.name, "datatype": _TYPES[kind]}
    if not _ID.fullmatch(field.name):
        # astropy finds columns by their IDs, which it makes of the names where there are none.
        # A slash, as of ratios, is in no ID of the standard; then the data would find no header.
        attributes["ID"] = field.name
    attributes |= {"arraysize": size} if size else {}
    attributes |= {name: text for name in ("unit", "ucd") if (text := field_text(field, name))}
    stated = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
    text = escape(field_text(field, "description"))
    return f"<FIELD {stated}><DESCRIPTION>{text}</DESCRIPTION></FIELD>"


def text_lengths(table: pa.Table) -> dict[str, int]:
    """The longest text of every column of texts, at least 1."""
    import pyarrow.compute as pc  # slow to load

    return {
        field.name: pc.max(pc.utf8_length(table[field.name])).as_py() or 1
        for field in table.schema
        if pa.types.is_string(field.type)
    }


def length_metadata(lengths: dict[str, int]) -> dict[bytes, bytes]:
    """Lengths of texts as astropy keeps them in the schema of a Parquet file.

    Without them it finds the longest text itself, unless there is none, and remarks on it.
    """
    return {f"{LENGTH}{name}".encode(): str(length).encode() for name, length in lengths.items()}


def without_missing_text(table: pa.Table) -> pa.Table:
    """The table with empty text where it was missing, or astropy would read the word None."""
    columns = [  # PyArrow loads pandas to fill any.
        column.fill_null("") if pa.types.is_string(column.type) and column.null_count else column
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def without_vo(metadata: dict[bytes, bytes] | None) -> dict[bytes, bytes]:
    """Metadata of a table without those that this module adds."""
    return {
        key: value
        for key, value in (metadata or {}).items()
        if not key.startswith((PREFIX, LENGTH.encode()))
    }
