"""A digest of every table of a catalog: do two versions of the code find the same?

    python -m tests.benchmarks.catalog_digest RUN [--without COLUMN ...]

Columns that say how a result was made (timings, keys) are left out, and so are columns named
on the command line, as those that only one of two versions has. Numbers count to nine digits: the
order of two products is no result. Needs numpy and pyarrow alone, so that it reads catalogs of any
version.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

KEYS = {"part_key"}
"""Columns that name what was computed by which code, and so differ between versions of it."""


def table_digest(path: Path, without: set[str]) -> str:
    """Digest of one table: names, types and values of the columns, rows in their order."""
    table = pq.read_table(path)
    digest = hashlib.blake2b(digest_size=8)
    for field in sorted(table.schema, key=lambda field: field.name):
        if field.name in without or b"volatile" in (field.metadata or {}):
            continue
        digest.update(f"{field.name} {field.type}".encode())
        for value in table[field.name].to_pylist():
            digest.update(_text(value).encode())
    return digest.hexdigest()


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.8e}"
    if isinstance(value, list):
        return "[" + " ".join(map(_text, value)) + "]"
    return repr(value)


def catalog_digests(run: Path, without: set[str]) -> dict[str, str]:
    """Digests of all tables of the catalog of a run."""
    tables = sorted((run / "catalog").resolve().glob("[!._]*"))
    return {path.stem: table_digest(path, without) for path in tables}


def main() -> None:
    """Print a line for every table."""
    parser = argparse.ArgumentParser(description="Digests of the tables of a catalog.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--without", nargs="*", default=[], metavar="COLUMN")
    options = parser.parse_args()
    for name, digest in catalog_digests(options.run, KEYS | set(options.without)).items():
        print(f"{name:<12} {digest}")


if __name__ == "__main__":
    main()
