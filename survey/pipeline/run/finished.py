"""Finished galaxies, recognised without reading their cubes.

RUN/logs/inputs.jsonl has one line for every galaxy: its files as they were hashed, and how the
files of its part looked. Lines of later runs stand above earlier ones. If it is lost, cubes are
read once more. If the ledger of a run is lost, its finished galaxies are counted here.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalogs import open_catalog
from catalogs.durable import hash_bytes, write_text
from catalogs.parts import PartStore
from survey.errors import SurveyError
from survey.pipeline.galaxy.input_files import InputFile, notes_of_gone, unchanged
from survey.pipeline.galaxy.runner import LAST, GalaxyRunner, input_paths
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyReport, GalaxyTask, draw_figures
from survey.pipeline.run.targets import TARGETS_FILE, read_targets

FILE = Path("logs") / "inputs.jsonl"


@dataclass(frozen=True)
class Known:
    """What is known of a galaxy.

    `inputs` are its files, `part` is the name of its part, and `look` is the hash of names, sizes,
    times and inodes of the files of that part; both are empty if it has none.
    """

    galaxy: str
    inputs: tuple[InputFile, ...]
    part: str = ""
    look: str = ""


class FinishedGalaxies:
    """What earlier runs in a directory have finished; the runs keep it up to date.

    Parameters
    ----------
    root : Path
        The run directory.
    trusted : bool
        Whether files whose size, time and inode agree are taken for unchanged. If not, no galaxy is
        known, and all are read.
    """

    def __init__(self, root: Path, *, trusted: bool = True) -> None:
        self.root = root
        self.trusted = trusted
        self._known = read_known(root)
        self._lines = 0

    def known(self, target: Target) -> tuple[InputFile, ...]:
        """The files of a galaxy as they were hashed."""
        entry = self._known.get(target.galaxy)
        return entry.inputs if entry is not None and self.trusted else ()

    def report(self, task: GalaxyTask) -> GalaxyReport | None:
        """The report of a galaxy that is finished, else None.

        Nothing is computed. A galaxy without figures is left to the workers if `task.draw` can
        tell (by its `is_drawn`); if not, it is drawn here.
        """
        start = time.perf_counter()
        runner = self._runner_if_unchanged(task)
        if runner is None:
            return None
        key = runner.keys[LAST]
        path = runner.parts.path(task.target.galaxy, LAST, key)
        if not (self._looks_the_same(task.target.galaxy, path) or runner.is_finished):
            return None
        is_drawn = getattr(task.draw, "is_drawn", None)
        if is_drawn is not None and not is_drawn(self.root, task.target.galaxy, key):
            return None  # Workers draw side by side.
        return GalaxyReport(
            task.target.galaxy,
            time.perf_counter() - start,
            part=path,
            notes=(*notes_of_gone(runner.inputs), *draw_figures(task, key)),
            inputs=runner.inputs,
        )

    def record(self, report: GalaxyReport) -> None:
        """Write down what is known of a galaxy, if that is new."""
        if not report.inputs:
            return
        part, look = "", ""
        if report.part is not None:
            part, look = report.part.name, look_of(report.part)
        entry = Known(report.galaxy, report.inputs, part, look)
        if self._known.get(report.galaxy) == entry:
            return
        if not self._lines:
            self._write_all()
        self._known[report.galaxy] = entry
        self._lines += 1
        with (self.root / FILE).open("a", encoding="utf-8") as file:
            file.write(_line(entry))

    def _runner_if_unchanged(self, task: GalaxyTask) -> GalaxyRunner | None:
        inputs = unchanged(input_paths(task.target, task.settings.read), task.known)
        if inputs is None:
            return None
        runner = GalaxyRunner(task.target, task.settings, task.root, known=inputs)
        try:
            return runner if runner.keys else None
        except (SurveyError, OSError):
            return None  # A worker says what is wrong.

    def _looks_the_same(self, galaxy: str, part: Path) -> bool:
        entry = self._known[galaxy]
        return entry.part == part.name and bool(entry.look) and entry.look == look_of(part)

    def _write_all(self) -> None:
        """Write one line for every galaxy, since every run only appends."""
        if self._known:
            write_text(self.root / FILE, "".join(map(_line, self._known.values())))
        else:
            (self.root / FILE).parent.mkdir(parents=True, exist_ok=True)


def read_known(root: Path) -> dict[str, Known]:
    """What is known of the galaxies of a run; lines that cannot be read are left out."""
    try:
        text = (root / FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    entries = [entry for line in text.splitlines() if (entry := _parse(line)) is not None]
    return {entry.galaxy: entry for entry in entries}


def look_of(part: Path) -> str:
    """Hash of the names, sizes, times and inodes of the files of a part, "" if there is none."""
    try:
        files = sorted(part.iterdir()) if part.is_dir() else [part]
        found = [(file.name, *_look_of_file(file)) for file in files]
    except OSError:
        return ""
    return hash_bytes(json.dumps(found).encode())


def _look_of_file(file: Path) -> tuple[int, int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _line(entry: Known) -> str:
    return json.dumps(asdict(entry)) + "\n"


def _parse(line: str) -> Known | None:
    try:
        content: dict[str, Any] = json.loads(line)
        inputs = tuple(InputFile(**one) for one in content.pop("inputs"))
        return Known(**content, inputs=inputs)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # half a line of a run that was killed


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
