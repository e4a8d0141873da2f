"""The task of a worker: the tracers of one galaxy, from its part and the files of the maps."""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalogs.flags import ClusterFlag, SpaxelFlag
from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, Receipt
from catalogs.survey_parts import TRACED
from survey.config import fingerprint
from survey.config.tracers import TracerSettings
from survey.cubes.files.cube_file import CubeFile
from survey.engine.stage_events import say_stage
from survey.errors import DataError, FileAccessError, IntegrityError
from survey.pipeline.galaxy.failures import failure_row, raise_unless_of_the_data
from survey.pipeline.galaxy.stage import minor_version
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.target import Target
from survey.pipeline.reference import vocabulary_of_run
from survey.pipeline.validation.tracer_maps import GriddedTracer, gridded
from survey.validation.tracers.measure import (
    ClusteredField,
    Traced,
    profile_of,
    trace_classes,
    trace_values,
    trace_velocities,
)

CODE_VERSION = 1
"""Raised when code changes what tracers say."""

LIBRARIES = ("numpy", "scikit-learn", "reproject", "astropy")
ROWS_FILE, MAP_FILE = "tracer.json", "map.npy"

Draw = Callable[[Path, str, str, str, str], None]
"""Draws the picture of run directory, galaxy, key of its part, tracer and key of that part."""


@dataclass(frozen=True)
class TracerInput:
    """One tracer of one galaxy: its file, and the key of what it says."""

    tracer: str
    settings: TracerSettings
    file: CubeFile
    key: str


@dataclass(frozen=True)
class TraceTask:
    """The work of one task: tracers of the galaxy whose committed part has this key."""

    galaxy: str
    part: str
    root: Path
    inputs: tuple[TracerInput, ...]
    draw: Draw | None = None

    @property
    def target(self) -> Target:
        """What a worker has to see."""
        return Target(self.galaxy, tuple(dict.fromkeys(one.file for one in self.inputs)))


@dataclass(frozen=True)
class TraceReport:
    """How the tracers of one galaxy ended.

    `keys` are those of the parts with what tracers say, `failures` say why others have none, by
    tracer.
    """

    galaxy: str
    seconds: float = 0.0
    keys: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    computed: bool = True
    notes: tuple[str, ...] = ()


def traced_key(part_key: str, settings: TracerSettings, content_hash: str) -> str:
    """Key of what a tracer says of a committed part of a galaxy."""
    where = {"map", "maps", "table", "galaxies"}
    facts = settings.model_dump(exclude=where) | {"is_table": settings.table is not None}
    libraries = {name: minor_version(name) for name in LIBRARIES}
    return fingerprint(part_key, facts, content_hash, CODE_VERSION, libraries)


def trace_galaxy(task: TraceTask) -> TraceReport:
    """Make the parts with what tracers say of one galaxy; a bad tracer stops no other.

    Raises
    ------
    MemoryNeeded, MachineError, Unconfirmed
        If one failed and is not, or not yet, to blame. The driver tries them again.
    """
    start = time.perf_counter()
    say_stage(task.galaxy, "tracers")
    store = PartStore(task.root)
    keys: dict[str, str] = {}
    failures: dict[str, str] = {}
    notes: list[str] = []
    doubtful: Exception | None = None
    for one in task.inputs:
        try:
            if store.find(task.galaxy, TRACED, one.key, full=True) is None:
                _trace(store, task, one)
            keys[one.tracer] = one.key
        except Exception as error:
            failures[one.tracer] = failure_row(task.galaxy, "", error, file=one.file)["message"]
            if not isinstance(error, DataError) or isinstance(error, FileAccessError):
                doubtful = error
            continue
        notes += draw_picture(task, one)
    report = TraceReport(
        task.galaxy, time.perf_counter() - start, keys, failures, notes=tuple(notes)
    )
    if doubtful is not None:
        raise_unless_of_the_data(doubtful, report, files=task.target.files, root=task.root)
    return report


def draw_picture(task: TraceTask, one: TracerInput) -> list[str]:
    """Draw the picture of a tracer, unless it is there; an error becomes a note."""
    try:
        if task.draw is not None:
            task.draw(task.root, task.galaxy, task.part, one.tracer, one.key)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        return [f"the picture of {one.tracer} could not be drawn ({why})"]
    return []


def _trace(store: PartStore, task: TraceTask, one: TracerInput) -> None:
    part = store.find(task.galaxy, STAGES[-1].name, task.part)
    if part is None:
        raise IntegrityError(
            f"the part of {task.galaxy} is missing",
            file=task.root,
            advice="Run the survey again: it computes what is missing.",
        )
    row = read_part_table(part, "galaxies").to_pylist()[0]
    shape = (int(row["shape_y"]), int(row["shape_x"]))
    found = gridded(one.settings, one.file, row["celestial_header"] or "", shape)
    clusters = clustered_field(part, row, task.root)
    traced = _traced(one.settings, clusters, found)
    rows = {
        "tracers": [_row(each) for each in traced],
        "tracer_clusters": profile_of(clusters, found.values, found.classes),
        "classes": found.classes,
    }
    store.commit(
        task.galaxy, TRACED, one.key, partial(_write, rows, found.values),
        {"tracer": one.tracer}, packed=True,
    )  # fmt: skip


def clustered_field(part: Receipt, row: dict[str, Any], root: Path) -> ClusteredField:
    """The clustered spaxels of a committed part, with their velocities."""
    columns = ["y", "x", "cluster", "shift_km_s", "flags"]
    spaxels = read_part_table(part, "spaxels").select(columns).to_pandas()
    spaxels = spaxels[spaxels["cluster"] > 0]
    of_clusters = read_part_table(part, "clusters", vocabulary_of_run(root)).select(
        ["cluster", "flags", "velocity_km_s"]
    )
    frame = of_clusters.to_pandas().set_index("cluster")
    known = (frame["flags"] & int(ClusterFlag.NO_VELOCITY)) == 0
    of_lines = frame["velocity_km_s"].where(known)
    within = (spaxels["flags"] & int(SpaxelFlag.SHIFT_AT_LIMIT)) == 0
    shift = spaxels["shift_km_s"].where(within).to_numpy(float)
    y, x = (spaxels[name].to_numpy(np.int64) for name in ("y", "x"))
    centre = (row["centre_y"], row["centre_x"])
    if not all(value is not None and math.isfinite(value) for value in centre):
        centre = (float(y.mean()), float(x.mean()))
    return ClusteredField(
        y=y,
        x=x,
        labels=spaxels["cluster"].to_numpy(np.int32),
        centre=centre,
        shift_km_s=shift,
        velocity_km_s=shift + of_lines.reindex(spaxels["cluster"]).to_numpy(float),
    )


def _traced(
    settings: TracerSettings, clusters: ClusteredField, found: GriddedTracer
) -> list[Traced]:
    if settings.kind == "classes":
        return [trace_classes(clusters, found.values, draws=settings.draws)]
    if settings.kind == "continuous":
        return [trace_values(clusters, found.values, draws=settings.draws)]
    return trace_velocities(clusters, found.values, draws=settings.draws)


def _row(one: Traced) -> dict[str, Any]:
    """Columns of the table `tracers`, besides whose they are."""
    null = np.array(one.null)
    values = {
        "value": one.value,
        "null_median": np.median(null) if len(null) else np.nan,
        "null_high": np.percentile(null, 95) if len(null) else np.nan,
        "p_value": one.p_value,
        "p_floor": 1 / (1 + len(null)) if len(null) else np.nan,
        "p_rotation": one.p_rotation,
    }
    if one.line is not None:
        values |= {  # the intercept is NaN where every cluster has its own
            "slope": one.line.slope,
            "slope_err": one.line.slope_err,
            "intercept_km_s": one.line.intercept,
            "intercept_err_km_s": one.line.intercept_err,
            "scatter_km_s": one.line.scatter,
        }
    return {
        "compared": one.compared,
        "outcome": one.outcome,
        "meaning": one.meaning,
        "n_spaxel": one.n_spaxel,
        "n_cluster": one.n_cluster,
        "n_class": one.n_class,
        "measure": one.measure,
        "n_null": len(null),
        **{name: float(value) if np.isfinite(value) else None for name, value in values.items()},
    }


def _write(rows: dict[str, Any], values: NDArray[np.float64], folder: Path) -> None:
    (folder / ROWS_FILE).write_text(json.dumps(rows), encoding="utf-8")
    with (folder / MAP_FILE).open("wb") as file:
        np.save(file, values.astype(np.float32))


def read_rows(part: Receipt) -> dict[str, Any]:
    """What a tracer says: rows of `tracers` and `tracer_clusters`, and the names of its classes."""
    rows: dict[str, Any] = json.loads(part.read_bytes(ROWS_FILE))
    return rows


def read_map(part: Receipt) -> NDArray[np.float32]:
    """The tracer (ny, nx) on the grid of the cube."""
    found: NDArray[np.float32] = np.load(io.BytesIO(part.read_bytes(MAP_FILE)), allow_pickle=False)
    return found
