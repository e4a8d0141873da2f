"""How far a run is, from its parts alone: for runs whose ledger is lost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from catalogs import open_catalog
from catalogs.parts import PartStore
from survey.errors import SurveyError
from survey.pipeline.galaxy.runner import LAST
from survey.pipeline.run.targets import TARGETS_FILE, read_targets


@dataclass(frozen=True)
class Counted:
    """Galaxies of a run, those that have a committed part, and messages of those in quarantine."""

    n_galaxies: int
    n_finished: int
    failures: dict[str, str]


def count_parts(root: Path) -> Counted:
    """Count the galaxies of a run by what is there of its targets, parts and catalog."""
    failures = _quarantined(root)
    names = _names_of_targets(root)
    if names is None:
        n_finished = len({path.parent for path in root.glob(f"parts/*/{LAST}-*")})
        return Counted(n_finished + len(failures), n_finished, failures)
    store = PartStore(root)
    folders = [store.path(name, LAST, "").parent for name in names - set(failures)]
    n_finished = sum(any(folder.glob(f"{LAST}-*")) for folder in folders)
    return Counted(len(names), n_finished, failures)


def _names_of_targets(root: Path) -> set[str] | None:
    try:
        return {target.galaxy for target in read_targets(root / TARGETS_FILE)}
    except (SurveyError, OSError):
        return None


def _quarantined(root: Path) -> dict[str, str]:
    """Messages of the galaxies in quarantine, as far as the catalog can be read."""
    try:
        rows = open_catalog(root).quarantine
    except (SurveyError, OSError, pa.ArrowException):
        return {}
    return dict(zip(rows["galaxy"], rows["message"], strict=True))
