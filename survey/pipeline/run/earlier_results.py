"""What a run computes again because the software has changed since its last time.

Every stage has a number that rises when its code changes its results (`Stage.code`), and the tables
have a schema version. A run writes both into its directory, and compares them when it starts again.
"""

from __future__ import annotations

import json
from pathlib import Path

from catalogs.durable import write_json
from catalogs.versions import MANIFEST, SCHEMA_VERSION, current_version
from survey.pipeline.galaxy.stage import Kept
from survey.pipeline.galaxy.stage_list import STAGES

FILE = "versions.json"
ON_DISK = (Kept.STORE, Kept.PART, Kept.WITH_LAST)
SCHEMA_STAGE = "profiles"
"""The first stage that writes tables of the catalog, and so depends on their schema."""


def record_versions(root: Path) -> None:
    """Write the versions of the stages and of the schema into the run directory."""
    codes = {stage.name: stage.code for stage in STAGES}
    write_json(root / FILE, {"schema": SCHEMA_VERSION, "stages": codes})


def note_of_earlier_results(root: Path) -> str | None:
    """What will be computed again in a run directory, for the user; None if nothing will.

    Only changes of the software count here: changed settings and files change what they have to.
    """
    earlier, schema = _earlier(root)
    if schema is None:
        return None
    changed = [
        stage.name
        for stage in STAGES
        if earlier.get(stage.name, stage.code) != stage.code
        or (stage.name == SCHEMA_STAGE and schema != SCHEMA_VERSION)
    ]
    if not changed:
        return None
    versions = "" if schema == SCHEMA_VERSION else f" (schema {schema}, now {SCHEMA_VERSION})"
    before = [stage.name for stage in STAGES[: _place(changed[0])] if stage.kept in ON_DISK]
    kept = f"; results of {' and '.join(before)} are used again" if earlier and before else ""
    at_the_latest = "" if earlier else " or an earlier one"
    return (
        f"{root} has results of another version of the survey{versions}: galaxies are computed "
        f"again from the stage {changed[0]}{at_the_latest}{kept}"
    )


def _place(name: str) -> int:
    return [stage.name for stage in STAGES].index(name)


def _earlier(root: Path) -> tuple[dict[str, int], str | None]:
    """Numbers of the stages and the schema that a run was last made with, as far as known."""
    try:
        found = json.loads((root / FILE).read_text(encoding="utf-8"))
        return dict(found["stages"]), str(found["schema"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    version = current_version(root)
    try:
        manifest = "" if version is None else (version / MANIFEST).read_text(encoding="utf-8")
        return {}, str(json.loads(manifest)["schema_version"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}, None
