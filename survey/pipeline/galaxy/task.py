"""The task of a worker: one galaxy, from its files to its committed part.

A task takes paths and settings and returns a small report. An error of a galaxy becomes part of
its report, so that one bad cube never stops a survey.
"""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

import catalogs
import survey
from catalogs.parts import DamagedPartWarning
from survey.config import Settings
from survey.engine.worker_memory import memory_here_bytes
from survey.errors import IntegrityError, MemoryNeeded, ResourceError, SurveyError
from survey.pipeline.galaxy.input_files import InputFile
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
    `failure` is its row of the table `quarantine`, `notes` are messages for the user, and `inputs`
    are its files as they were hashed.
    """

    galaxy: str
    seconds: float
    part: Path | None = None
    computed: tuple[str, ...] = ()
    failure: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    inputs: tuple[InputFile, ...] = ()

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
    """
    start = time.perf_counter()
    galaxy = GalaxyRunner(
        task.target, task.settings, task.root, memory_here_bytes(), known=task.known
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", DamagedPartWarning)
        try:
            receipt = _with_retries(galaxy)
        except MemoryNeeded:
            raise  # The driver finds another worker.
        except Exception as error:
            return GalaxyReport(
                galaxy=task.target.galaxy,
                seconds=time.perf_counter() - start,
                failure=failure_row(
                    task.target.galaxy,
                    galaxy.stage,
                    error,
                    content_hash=galaxy.known_hash,
                    file=task.target.files[0],
                ),
                inputs=galaxy.inputs,
            )
        notes = [str(warning.message) for warning in caught]
        notes += galaxy.notes
        notes += draw_figures(task, receipt.key)
    if not task.settings.engine.keep_stores:
        galaxy.drop_stores()
    return GalaxyReport(
        galaxy=task.target.galaxy,
        seconds=time.perf_counter() - start,
        part=receipt.path,
        computed=tuple(galaxy.computed),
        notes=tuple(notes),
        inputs=galaxy.inputs,
    )


def draw_figures(task: GalaxyTask, key: str) -> list[str]:
    """Draw the missing figures of the part `key`; an error becomes a note."""
    try:
        if task.draw is not None:
            task.draw(task.root, task.target.galaxy, key)
    except Exception as error:
        return [f"its figures could not be drawn ({type(error).__name__}: {error})"]
    return []


def failure_row(
    galaxy: str,
    stage: str,
    error: BaseException,
    *,
    content_hash: str | None = None,
    file: Path | None = None,
) -> dict[str, Any]:
    """A row of the table `quarantine`; `file` is named if the error names none."""
    if isinstance(error, SurveyError):
        message = str(error)
    elif isinstance(error, MemoryError):
        error = ResourceError("the worker ran out of memory", found=str(error))
        message = str(error)
    else:
        # A bug of ours: record where it happened.
        message = f"{file}: " if file else ""
        message += f"unexpected {type(error).__name__}{_place(error)}: {error}"
    return {
        "galaxy": galaxy,
        "stage": stage,
        "error": type(error).__name__,
        "message": message,
        "content_hash": content_hash,
    }


def _place(error: BaseException) -> str:
    """Where in our code an error comes from, as a path from the package on."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for package in (survey, catalogs):
            folder = Path(str(package.__file__)).parent
            if Path(frame.filename).is_relative_to(folder):
                path = Path(frame.filename).relative_to(folder.parent)
                return f" at {path.as_posix()}:{frame.lineno}"
    return ""


def _with_retries(galaxy: GalaxyRunner) -> Any:
    for attempt in Retrying(
        retry=retry_if_exception_type((OSError, IntegrityError)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=FIRST_WAIT_S),
        reraise=True,
    ):
        with attempt:
            return galaxy.result()
    raise AssertionError("unreachable")
