"""What a worker does: one galaxy, from its files to its committed part.

A task takes paths and settings and returns a small report. Whatever goes wrong with a galaxy
becomes part of its report, so that one bad cube never stops a survey.
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
from survey.pipeline.galaxy.galaxy import Galaxy
from survey.pipeline.galaxy.target import Target

ATTEMPTS = 3
FIRST_WAIT_S = 0.5


@dataclass(frozen=True)
class GalaxyTask:
    """The work of one task; `draw` makes the pictures of a galaxy from its run directory."""

    target: Target
    settings: Settings
    root: Path
    draw: Callable[[Path, str, str], None] | None = None


@dataclass(frozen=True)
class GalaxyReport:
    """How one galaxy ended.

    `part` is the folder of its committed result, `computed` the stages that had to be
    computed for it, `failure` its row of the table `quarantine`, `notes` what else is worth
    telling.
    """

    galaxy: str
    seconds: float
    part: Path | None = None
    computed: tuple[str, ...] = ()
    failure: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """ "computed", "reused" or "quarantined"."""
        if self.failure is not None:
            return "quarantined"
        return "computed" if self.computed else "reused"


def process_galaxy(task: GalaxyTask) -> GalaxyReport:
    """Bring one galaxy to its committed part, computing only what is not there yet.

    Faults of files that may pass (a network file system that hiccups) are tried again; faults
    of the data are not. Pictures are drawn last and are not worth losing a galaxy for.
    """
    start = time.perf_counter()
    galaxy = Galaxy(task.target, task.settings, task.root, memory_here_bytes())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", DamagedPartWarning)
        try:
            receipt = _with_retries(galaxy)
        except MemoryNeeded:
            raise  # It is for the driver to find another worker.
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
            )
        notes = [str(warning.message) for warning in caught]
        notes += galaxy.notes
        if task.draw is not None:
            try:
                task.draw(task.root, task.target.galaxy, receipt.key)
            except Exception as error:
                notes.append(f"its figures could not be drawn ({type(error).__name__}: {error})")
    if not task.settings.engine.keep_stores:
        galaxy.drop_stores()
    return GalaxyReport(
        galaxy=task.target.galaxy,
        seconds=time.perf_counter() - start,
        part=receipt.path,
        computed=tuple(galaxy.computed),
        notes=tuple(notes),
    )


def failure_row(
    galaxy: str,
    stage: str,
    error: BaseException,
    *,
    content_hash: str | None = None,
    file: Path | None = None,
) -> dict[str, Any]:
    """A row of the table `quarantine`; `file` is named where the error does not do so."""
    if isinstance(error, SurveyError):
        message = str(error)
    elif isinstance(error, MemoryError):
        error = ResourceError("the worker ran out of memory", found=str(error))
        message = str(error)
    else:
        # A bug of ours met by one cube: keep where it happened.
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
    """Where in our code an error comes from, by as much of the path as tells one file."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for package in (survey, catalogs):
            folder = Path(str(package.__file__)).parent
            if Path(frame.filename).is_relative_to(folder):
                path = Path(frame.filename).relative_to(folder.parent)
                return f" at {path.as_posix()}:{frame.lineno}"
    return ""


def _with_retries(galaxy: Galaxy) -> Any:
    for attempt in Retrying(
        retry=retry_if_exception_type((OSError, IntegrityError)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=FIRST_WAIT_S),
        reraise=True,
    ):
        with attempt:
            return galaxy.result()
    raise AssertionError("unreachable")
