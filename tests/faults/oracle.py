"""What has to be true of a run directory when its survey has ended, whatever happened to it."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from catalogs.errors import CatalogError
from catalogs.parts import PartStore, Receipt
from catalogs.verify import verify
from survey.cubes.store import open_store
from survey.errors import SurveyError
from survey.pipeline.galaxy.runner import LAST
from survey.pipeline.galaxy.stage import Kept
from survey.pipeline.galaxy.stage_list import STAGES
from tests.faults.archive import Archive

KEPT_HIDDEN = re.compile(r"\.drivers/\d+\.json|\.versions/(\.lock|\.v\d+\.json|v\d+/.+)")
"""Files below hidden names that belong to a run directory."""

VERDICT = ["galaxy", "stage", "error", "message"]
"""Columns of the quarantine that do not depend on when and where a galaxy was tried."""


def violations(root: Path, archive: Archive, undisturbed: dict[str, str]) -> list[str]:
    """Everything that is wrong with a run that says it is complete; empty if nothing is.

    Parameters
    ----------
    root : Path
        The run directory.
    archive : Archive
    undisturbed : dict
        `digests` of a run of the same archive that nothing disturbed. Without that of the table
        quarantine, only the names in it are compared.
    """
    if not (root / "catalog").exists():
        return ["there is no catalog"]
    return [
        *_wrong_rows(root, archive),
        *_wrong_digests(root, undisturbed),
        *_wrong_parts(root, archive),
        *_wrong_stores(root, archive),
        *_unfinished(root),
        *(f"verify: {check.check}: {check.detail}" for check in verify(root) if not check.ok),
    ]


def digests(root: Path) -> dict[str, str]:
    """A digest of every table of a catalog: all values of all columns that are results."""
    tables = sorted((root / "catalog").resolve().glob("[!._]*"))
    return {path.stem: _table_digest(path) for path in tables}


def blamed(root: Path, archive: Archive) -> list[str]:
    """Good galaxies that were ever reported as quarantined, by the ledger."""
    return sorted({entry["galaxy"] for entry in _ledger(root, "quarantined")} & set(archive.good))


def computed_twice(root: Path, archive: Archive) -> list[str]:
    """Good galaxies whose part was reported as computed more than once."""
    counts = Counter(entry["galaxy"] for entry in _ledger(root, "computed"))
    return sorted(name for name, count in counts.items() if count > 1 and name in archive.good)


def _ledger(root: Path, outcome: str) -> list[dict[str, str]]:
    path = root / "logs" / "ledger.jsonl"
    entries = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue  # The driver was killed while it wrote.
    return [entry for entry in entries if entry.get("outcome") == outcome and "galaxy" in entry]


def _wrong_rows(root: Path, archive: Archive) -> list[str]:
    galaxies = sorted(pd.read_parquet(root / "catalog" / "galaxies.parquet")["galaxy"])
    quarantine = sorted(pd.read_parquet(root / "catalog" / "quarantine.parquet")["galaxy"])
    found = []
    if galaxies != sorted(archive.good):
        found.append(f"in the catalog are {galaxies}")
    if quarantine != sorted(archive.bad):
        found.append(f"in quarantine are {quarantine}")
    if names := blamed(root, archive):
        found.append(f"blamed at some time: {names}")
    if names := computed_twice(root, archive):
        found.append(f"computed more than once: {names}")
    return found


def _wrong_digests(root: Path, undisturbed: dict[str, str]) -> list[str]:
    found = digests(root)
    names = found.keys() | undisturbed.keys()
    names -= {"quarantine"} - undisturbed.keys()
    return [
        f"the table {name} differs from that of the undisturbed run"
        for name in sorted(names)
        if found.get(name) != undisturbed.get(name)
    ]


def _wrong_parts(root: Path, archive: Archive) -> list[str]:
    """Every good galaxy has one part of every stage, alone or in its last, as its receipt says."""
    found = []
    store = PartStore(root)
    counts: Counter[tuple[str, str]] = Counter()
    for path in sorted((root / "parts").glob("*/*")):
        try:
            receipt = Receipt.read(path)
        except CatalogError as error:
            found.append(str(error))
            continue
        counts[receipt.galaxy, receipt.stage] += 1
        if store.find(receipt.galaxy, receipt.stage, receipt.key, full=True) is None:
            found.append(f"damaged part {path.name}")
        if receipt.stage == LAST:
            found += _missing_inside(store, receipt)
    # A result that goes into the last part has one of its own if a later stage was disturbed.
    alone = {stage.name for stage in STAGES if stage.kept is Kept.WITH_LAST}
    counts = Counter({one: n for one, n in counts.items() if n > 1 or one[1] not in alone})
    stages = {stage.name for stage in STAGES if stage.kept is Kept.PART}
    expected = Counter((galaxy, stage) for galaxy in archive.good for stage in stages)
    for (galaxy, stage), count in sorted((counts - expected).items()):
        found.append(f"{count} parts too many: {stage} of {galaxy}")
    found += [f"no part: {stage} of {galaxy}" for galaxy, stage in sorted(expected - counts)]
    return found


def _missing_inside(store: PartStore, last: Receipt) -> list[str]:
    """Results that the last part of a galaxy was made from and that nobody finds."""
    return [
        f"no part: {stage.name} of {last.galaxy}"
        for stage in STAGES
        if stage.kept is Kept.WITH_LAST
        and store.find(last.galaxy, stage.name, last.summary["keys"][stage.name], full=True) is None
    ]


def _wrong_stores(root: Path, archive: Archive) -> list[str]:
    """Every good galaxy has one converted cube that can be read; no other cube is there."""
    found = []
    stores = sorted(path for path in (root / "cubes").glob("*"))
    for path in stores:
        try:
            open_store(path).load()
        except (SurveyError, OSError, ValueError) as error:
            found.append(f"store {path.name}: {error}")
    names = Counter(path.name.rpartition("-")[0] for path in stores)
    if missing := set(archive.good) - set(names):
        found.append(f"no converted cube of {sorted(missing)}")
    if several := [name for name, count in names.items() if count > 1]:
        found.append(f"several converted cubes of {several}")
    return found


def _unfinished(root: Path) -> list[str]:
    """Files that should have got another name, or should have been removed."""
    found = []
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        hidden = any(name.startswith(".") for name in relative.parts)
        if (
            hidden and not path.is_dir() and not KEPT_HIDDEN.fullmatch(relative.as_posix())
        ) or path.name.endswith((".unfinished", ".partial", ".tmp")):
            found.append(f"left behind: {relative}")
    for path in sorted((root / ".versions").glob("[!.]*")):
        if not (path / "_manifest.json").is_file():
            found.append(f"half a version: {path.name}")
    return found[:10]


def _table_digest(path: Path) -> str:
    table = pq.read_table(path)
    kept = [
        field.name
        for field in table.schema
        if b"volatile" not in (field.metadata or {})
        and (path.stem != "quarantine" or field.name in VERDICT)
    ]
    digest = hashlib.blake2b(digest_size=16)
    for name in kept:
        digest.update(f"{name} {table.schema.field(name).type}".encode())
        digest.update(repr(table[name].to_pylist()).encode())
    return digest.hexdigest()
