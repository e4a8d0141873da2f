"""A finished survey of thousands of galaxies, started again: what it costs to find that out.

Every galaxy has a small file of its own in place of a cube, and a stand-in part under the key that
its file and the settings give. The command is run twice in processes of their own: the first
publishes, the second finds everything done.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from astropy.io import fits

import catalogs.parts
from catalogs.part_tables import write_part_table
from catalogs.parts import PartStore
from survey.config import Settings
from survey.pipeline.galaxy.runner import LAST, GalaxyRunner
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyReport
from survey.pipeline.run.finished import FinishedGalaxies
from survey.pipeline.run.targets import TARGETS_FILE, write_targets
from tests.benchmarks.scale import stand_in_parts
from tests.benchmarks.table import Line

GALAXIES, SPAXELS = 5000, 100
LONG_AGO_S = 1_600_000_000.5
NOT_TO_THE_DISK = {
    "flush": lambda folder: None,
    "flush_tree": lambda folder: None,
    "flush_file_system": lambda folder: True,
}
SURVEY = [sys.executable, "-c", "from survey.cli import main; main()"]


def measure(folder: Path, scale: float) -> Iterator[Line]:
    """CPU seconds of `survey run` and `survey status` of a finished survey."""
    n_galaxies = round(GALAXIES * scale)
    root = folder / "resume"
    if not (root / "run").exists():
        with patch.multiple(catalogs.parts, **NOT_TO_THE_DISK):
            _write_finished(root, n_galaxies)
        _cpu_s("run", root / "survey.toml", "--quiet")
    yield Line(
        f"`survey run` of {n_galaxies} finished galaxies, CPU s",
        _cpu_s("run", root / "survey.toml", "--quiet"),
        10 * scale,
    )
    yield Line("`survey status` of it, CPU s", _cpu_s("status", root / "run"), 0.5)
    yield Line("`survey plan` of it, CPU s", _cpu_s("plan", root / "run"), 10 * scale)


def _cpu_s(*arguments: object) -> float:
    """CPU seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*SURVEY, *map(str, arguments)], env=os.environ, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _write_finished(root: Path, n_galaxies: int) -> None:
    shutil.rmtree(root, ignore_errors=True)
    (root / "cubes").mkdir(parents=True)
    settings, run = Settings(), root / "run"
    tables = stand_in_parts.template()
    finished, targets, store = FinishedGalaxies(run), [], PartStore(run)
    for number in range(n_galaxies):
        name = stand_in_parts.galaxy_name(number)
        cube = root / "cubes" / f"{name}.fits"
        fits.PrimaryHDU(header=fits.Header({"OBJECT": name})).writeto(cube)
        os.utime(cube, (LONG_AGO_S, LONG_AGO_S))
        target = Target(name, (cube,), 0.01)
        runner = GalaxyRunner(target, settings, run)
        made = stand_in_parts.scattered(tables, name, SPAXELS, number)

        def write(folder: Path, made: stand_in_parts.Tables = made) -> None:
            for table, rows in made.items():
                write_part_table(folder, table, rows)

        made_from = {stage.name: stage.made_from(runner.context) for stage in STAGES}
        summary = {"keys": runner.keys, "seconds": {}, "made_from": made_from}
        part = store.commit(name, LAST, runner.keys[LAST], write, summary, packed=True)
        finished.record(GalaxyReport(name, 0.0, part=part.path, inputs=runner.inputs))
        targets.append(target)
    write_targets(targets, root / TARGETS_FILE)
    (root / "survey.toml").write_text(
        f'targets = "{TARGETS_FILE}"\n[report]\nfigures = false\n', encoding="utf-8"
    )
