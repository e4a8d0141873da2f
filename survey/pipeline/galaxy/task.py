"""The task of a worker: one galaxy, from its files to its committed part.

A task takes paths and settings and returns a small report. An error of a galaxy becomes part of
its report, so that one bad cube never stops a survey.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from catalogs.parts import DamagedPartWarning
from survey.config import Settings
from survey.engine.stage_events import say_seconds, say_stage
from survey.engine.worker_memory import memory_here_bytes
from survey.errors import IntegrityError
from survey.machine_faults import LIMITS, fault_number
from survey.pipeline.galaxy.failures import failure_row, raise_unless_of_the_data
from survey.pipeline.galaxy.input_files import InputFile, notes_of_gone
from survey.pipeline.galaxy.peak_memory import peak_memory_bytes
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.target import Target

ATTEMPTS = 3
FIRST_WAIT_S = 0.5


@dataclass(frozen=True)
class GalaxyTask:
    """The work of one task.

    `draw` draws the figures of a galaxy from its run directory. `known` are files that were hashed
    before.
    """

    target: Target
    settings: Settings
    root: Path
    draw: Callable[[Path, str, str], None] | None = None
    known: tuple[InputFile, ...] = ()


@dataclass(frozen=True)
class GalaxyReport:
    """How one galaxy ended.

    `part` is the folder of its committed result, `computed` are the stages that were computed,
    `failure` is its row of the table `quarantine`, `notes` are messages for the user,
    `stage_seconds` are the times of the stages that were computed, `inputs` are its files as they
    were hashed, `peak_memory_bytes` is that of its process, and `worker` and `host` are where it
    ended.
    """

    galaxy: str
    seconds: float
    part: Path | None = None
    computed: tuple[str, ...] = ()
    failure: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    stage_seconds: dict[str, float] = field(default_factory=dict)
    inputs: tuple[InputFile, ...] = ()
    peak_memory_bytes: int = 0
    worker: str = ""
    host: str = ""

    @property
    def outcome(self) -> str:
        """ "computed", "reused" or "quarantined"."""
        if self.failure is not None:
            return "quarantined"
        return "computed" if self.computed else "reused"


def process_galaxy(task: GalaxyTask) -> GalaxyReport:
    """Make the committed part of one galaxy; only missing stages are computed.

    File errors that may be temporary (of a network file system) are tried again; errors of the data
    are not. Figures are drawn last: an error in drawing does not fail the galaxy.

    Raises
    ------
    MemoryNeeded, MachineError, Unconfirmed
        If the galaxy failed and is not, or not yet, to blame. The driver tries it again.
    """
    start = time.perf_counter()
    galaxy = GalaxyRunner(
        task.target,
        task.settings,
        task.root,
        memory_here_bytes(),
        partial(say_stage, task.target.galaxy),
        known=task.known,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", DamagedPartWarning)
        try:
            receipt = _with_retries(galaxy)
        except Exception as error:
            report = GalaxyReport(
                galaxy=task.target.galaxy,
                seconds=time.perf_counter() - start,
                failure=failure_row(
                    task.target.galaxy,
                    galaxy.stage,
                    error,
                    content_hash=galaxy.known_hash,
                    file=task.target.files[0],
                ),
                stage_seconds=galaxy.stage_seconds,
                inputs=galaxy.inputs,
            )
            raise_unless_of_the_data(error, report, files=task.target.files, root=task.root)
            return report
        finally:
            say_seconds(galaxy.stage_seconds)
        notes = [str(warning.message) for warning in caught]
        notes += [*notes_of_gone(galaxy.inputs), *galaxy.notes]
        notes += draw_figures(task, receipt.key)
    if not task.settings.engine.keep_stores:
        galaxy.drop_stores()
    return GalaxyReport(
        galaxy=task.target.galaxy,
        seconds=time.perf_counter() - start,
        part=receipt.path,
        computed=tuple(galaxy.computed),
        notes=tuple(notes),
        stage_seconds=galaxy.stage_seconds,
        inputs=galaxy.inputs,
        peak_memory_bytes=peak_memory_bytes(),
    )


def draw_figures(task: GalaxyTask, key: str) -> list[str]:
    """Draw the missing figures of the part `key`; an error becomes a note."""
    try:
        if task.draw is not None:
            task.draw(task.root, task.target.galaxy, key)
    except Exception as error:
        return [f"its figures could not be drawn ({type(error).__name__}: {error})"]
    return []


def _with_retries(galaxy: GalaxyRunner) -> Any:
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

    for attempt in Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=FIRST_WAIT_S),
        reraise=True,
    ):
        with attempt:
            return galaxy.result()
    raise AssertionError("unreachable")


def _may_pass(error: BaseException) -> bool:
    """Whether an attempt a second later may succeed; for room on a disk only the driver waits."""
    return isinstance(error, OSError | IntegrityError) and fault_number(error) not in LIMITS
