"""Checks of a whole run: its catalog, the parts that it is made from, and the converted cubes."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from catalogs import open_catalog
from catalogs.errors import CatalogError
from catalogs.parts import PartStore, Receipt
from catalogs.survey_parts import SURVEY_WIDE
from catalogs.verify import Check, verify
from catalogs.versions import Manifest
from survey.cubes.store import verify_store
from survey.errors import SurveyError
from survey.pipeline.run.prune import PART_NAME

READERS = 4
"""Threads that read files, for file systems that answer slowly."""

NAMED = 20
"""Damaged folders that are named one by one."""

RUN_AGAIN = "Run the survey again with the same command"
REPAIR = f"{RUN_AGAIN}: it publishes the catalog anew from its parts."
REMOVE = f"Remove them, then {RUN_AGAIN[0].lower()}{RUN_AGAIN[1:]}: what is missing is computed."


def verify_run(
    root: str | Path,
    *,
    deep: bool = False,
    on_checked: Callable[[int, int], None] = lambda done, total: None,
) -> list[Check]:
    """Check a run, from the rows of its catalog to the files of its parts.

    Parameters
    ----------
    root : str or Path
        The run directory, or the folder of a catalog alone, of which only the catalog is checked.
    deep : bool
        Whether to read the converted cubes too, which are most of the run.
    on_checked : callable
        Called with the numbers of parts and cubes that are checked, and of all.

    Returns
    -------
    list of Check
        One row per claim, with what to do where it does not hold.

    Raises
    ------
    CatalogError
        If there is no catalog.
    """
    root = Path(root)
    catalog = open_catalog(root)
    checks = verify(root, advice=REPAIR)
    if catalog.folder == root:
        return checks
    folders = [path for path in sorted(root.glob("parts/*/*")) if PART_NAME.fullmatch(path.name)]
    stores = sorted(root.glob("cubes/*.zarr")) if deep else []
    total, done = len(folders) + len(stores), 0
    damages: dict[Path, str] = {}
    with ThreadPoolExecutor(READERS) as pool:
        for path, damage in pool.map(_checked, [*folders, *stores]):
            done += 1
            on_checked(done, total)
            if damage is not None:
                damages[path] = damage
    checks.append(_parts_of_catalog(root, catalog.folder))
    checks.append(_undamaged("parts agree with their receipts", folders, damages))
    if deep:
        checks.append(_undamaged("stores agree with their manifests", stores, damages))
    return checks


def _parts_of_catalog(root: Path, version: Path) -> Check:
    claim = "parts of the catalog are there"
    try:
        manifest = Manifest.read(version)
    except CatalogError as error:
        return Check(claim, False, str(error), REPAIR)
    store = PartStore(root)
    missing = [path for path in _folders_of(store, manifest) if not path.exists()]
    advice = f"{RUN_AGAIN}: it computes these galaxies again." if missing else ""
    return Check(claim, not missing, _listed(root, dict.fromkeys(missing, "is missing")), advice)


def _folders_of(store: PartStore, manifest: Manifest) -> Iterator[Path]:
    for part in manifest.parts:
        yield store.path(*part)
    for stage, key in manifest.products.items():
        yield store.path(SURVEY_WIDE, stage, key)


def _undamaged(claim: str, paths: Sequence[Path], damages: dict[Path, str]) -> Check:
    found = {path: damages[path] for path in paths if path in damages}
    if not found:
        return Check(claim, True, f"({len(paths)})")
    named = list(found)[:NAMED]
    commands = "".join(f"\n  rm -r {shlex.quote(str(path))}" for path in named)
    if len(found) > NAMED:
        commands += "\nand verify again, for the others"
    root = named[0].parents[2] if "parts" in named[0].parts[:-2] else named[0].parents[1]
    return Check(claim, False, _listed(root, found), f"{REMOVE}{commands}")


def _listed(root: Path, found: dict[Path, str]) -> str:
    lines = [f"{path.relative_to(root)}: {what}" for path, what in list(found.items())[:NAMED]]
    if len(found) > NAMED:
        lines.append(f"and {len(found) - NAMED} more")
    return "\n".join([f"{len(found)} of them", *lines]) if found else ""


def _checked(path: Path) -> tuple[Path, str | None]:
    try:
        if path.suffix == ".zarr":
            verify_store(path)
            return path, None
        receipt = Receipt.read(path)
        if path.name != f"{receipt.stage}-{receipt.key}":
            return path, f"its receipt is of {receipt.stage}-{receipt.key}"
        if path != PartStore.of(path).path(receipt.galaxy, receipt.stage, receipt.key):
            return path, f"its receipt is of {receipt.galaxy!r}"
        return path, receipt.find_damage(full=True)
    except SurveyError as error:
        return path, error.message
    except OSError as error:
        return path, f"cannot be read ({error.strerror})"
