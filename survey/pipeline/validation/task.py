"""The task of a worker: the answers about one galaxy, from its store and its parts."""

from __future__ import annotations

import json
import math
import time
import warnings
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from catalogs.parts import DamagedPartWarning, PartStore, Receipt
from catalogs.survey_parts import ANSWERS
from survey.config import Settings, fingerprint
from survey.engine.stage_events import say_stage
from survey.engine.worker_memory import memory_here_bytes
from survey.errors import DataError
from survey.pipeline.galaxy.failures import failure_row, raise_unless_of_the_data
from survey.pipeline.galaxy.input_files import InputFile
from survey.pipeline.galaxy.runner import LAST, GalaxyRunner
from survey.pipeline.galaxy.stage import minor_version
from survey.pipeline.galaxy.target import Target
from survey.validation.answers import Answer, measure_answers
from survey.validation.variants import QUESTIONS, QUICK

CODE_VERSION = 2
"""Raised when code changes answers, as `code` of a `Stage` is."""

LIBRARIES = ("numpy", "scipy", "scikit-learn", "fastcluster")
FILE = "answers.json"


@dataclass(frozen=True)
class ValidationTask:
    """The work of one task: a galaxy whose committed part has this key."""

    target: Target
    settings: Settings
    root: Path
    key: str
    quick: bool
    known: tuple[InputFile, ...] = ()

    @property
    def answers_key(self) -> str:
        """Key of the part with its answers."""
        return answers_key(self.key, quick=self.quick)


@dataclass(frozen=True)
class ValidationReport:
    """How the validation of one galaxy ended.

    `key` is that of the part with its answers; `failure` says why there is none.
    """

    galaxy: str
    seconds: float
    key: str = ""
    computed: bool = True
    failure: str | None = None
    notes: tuple[str, ...] = ()


def answers_key(part_key: str, *, quick: bool) -> str:
    """Key of the answers about a committed part of a galaxy."""
    libraries = {name: minor_version(name) for name in LIBRARIES}
    return fingerprint(part_key, CODE_VERSION, quick, libraries)


def find_answers(root: Path, galaxy: str, part_key: str, *, quick: bool) -> Receipt | None:
    """The part with the answers about a committed part; of `quick` ones also the full ones."""
    store = PartStore(root)
    for kind in (False, True) if quick else (False,):
        key = answers_key(part_key, quick=kind)
        if (found := store.find(galaxy, ANSWERS, key, full=True)) is not None:
            return found
    return None


def read_answers(part: Receipt) -> list[Answer]:
    """The answers of a part."""
    rows: list[dict[str, Any]] = json.loads(part.read_bytes(FILE))
    numbers = ("value", "error")
    return [
        Answer(
            **row
            | {name: _number(row[name]) for name in numbers}
            | {"null": tuple(map(_number, row["null"]))}
        )
        for row in rows
    ]


def validate_galaxy(task: ValidationTask) -> ValidationReport:
    """Make the part with the answers of one galaxy.

    Raises
    ------
    MemoryNeeded, MachineError, Unconfirmed
        If it failed and the galaxy is not, or not yet, to blame. The driver tries it again.
    """
    from survey.pipeline.validation.partitioned import measured_displacements, partitioned

    start = time.perf_counter()
    name = task.target.galaxy
    galaxy = GalaxyRunner(
        task.target,
        task.settings,
        task.root,
        memory_here_bytes(),
        partial(say_stage, name),
        known=task.known,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", DamagedPartWarning)
        try:
            part = _committed(galaxy, task)
            answers = measure_answers(partitioned(galaxy, part), QUICK if task.quick else QUESTIONS)
            answers += measured_displacements(galaxy, part)
            receipt = PartStore(task.root).commit(
                name,
                ANSWERS,
                task.answers_key,
                lambda folder: _write(folder / FILE, answers),
                {"seconds": time.perf_counter() - start, "quick": task.quick},
                packed=True,
            )
        except Exception as error:
            row = failure_row(name, "validation", error, file=task.target.files[0])
            report = ValidationReport(
                name, time.perf_counter() - start, failure=f"{row['error']}: {row['message']}"
            )
            raise_unless_of_the_data(error, report, files=task.target.files, root=task.root)
            return report
        finally:
            galaxy.release()
    if not task.settings.engine.keep_stores:
        galaxy.drop_stores()
    notes = [str(warning.message) for warning in caught] + galaxy.notes
    return ValidationReport(name, time.perf_counter() - start, receipt.key, notes=tuple(notes))


def _committed(galaxy: GalaxyRunner, task: ValidationTask) -> Receipt:
    """The committed part of the galaxy that is in the catalog."""
    if galaxy.keys[LAST] != task.key:
        raise DataError(
            "the galaxy in the catalog was made from other files or settings than those of the run",
            file=task.root,
            expected=f"part {task.key}",
            found=f"part {galaxy.keys[LAST]}",
            advice="Run the survey again, then validate it.",
        )
    part: Receipt = galaxy.get(LAST)
    return part


def _write(file: Path, answers: list[Answer]) -> None:
    rows = [
        asdict(one)
        | {"value": _json(one.value), "error": _json(one.error)}
        | {"null": [_json(value) for value in one.null]}
        for one in answers
    ]
    file.write_text(json.dumps(rows), encoding="utf-8")


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
