"""Kills processes before their first, second, third ... change of the file system.

Run as a program: ``python kill_steps.py WORK FOLDER --first N --every N``. Changes are counted by
an audit hook of Python and in place of `os.fsync` and `syncfs`; nothing of the product knows of it.
Every attempt is a fork of this process, which itself never touches Arrow or Zarr, whose threads do
not survive a fork.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from catalogs import durable, open_catalog
from catalogs.durable import hash_bytes
from catalogs.parts import PartStore, Receipt
from catalogs.publish import publish
from catalogs.schema import declared_tables
from catalogs.survey_parts import current_survey_parts
from catalogs.verify import verify
from survey.config import build_settings
from survey.engine import submit
from survey.engine.preflight import admission
from survey.pipeline.galaxy.task import process_galaxy
from survey.pipeline.leftovers import unfinished_work
from survey.pipeline.run import live, survey
from survey.pipeline.run.ledger import Ledger
from survey.pipeline.run.lock import exclusive
from survey.pipeline.run.publisher import repaired
from survey.pipeline.run.status import read_status
from survey.pipeline.run.targets import read_targets

CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

Work = Callable[[Path], None]


@dataclass
class Killer:
    """Ends this process by SIGKILL before its change number `at` below a folder."""

    below: str
    at: int
    count: int = 0

    def install(self) -> None:
        """Count from now on; there is no way back."""
        sys.addaudithook(self._on_event)
        fsync = os.fsync

        def counted(descriptor: Any) -> None:
            self._change()
            fsync(descriptor)

        os.fsync = counted
        syncfs = durable._syncfs()
        if syncfs is not None:

            def counted_at_once(descriptor: int) -> int:
                self._change()
                return syncfs(descriptor)

            durable._syncfs = lambda: counted_at_once

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITING and self._is_below(path):
                self._change()
        elif event in CHANGES and any(self._is_below(path) for path in arguments[:2]):
            self._change()

    def _is_below(self, path: Any) -> bool:
        # Removing a tree names files relative to their folder.
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        name = Path(os.fsdecode(path))
        return name.is_relative_to(self.below) or not name.is_absolute()

    def _change(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def commit_and_publish(root: Path) -> None:
    """What a driver does around the parts of a new galaxy, which are staged beside the run."""
    staged = root.parent / "staged"
    with exclusive(root):
        Ledger(root).begin(3)
        survey.sweep_leftovers(root)
        repaired(root)
        new = PartStore(root).commit(
            "NGC 4", "features", "k4", lambda folder: _copy_files(staged, folder)
        )
        parts = [path.parent for path in root.glob("parts/NGC*/*/receipt.json")]
        assert new.path in parts
        publish(root, parts, survey_parts=current_survey_parts(root).values())
        Ledger(root).end("complete")


def whole_survey(root: Path) -> None:
    """A survey whose tasks are done one after the other in this process."""
    settings = build_settings({"cut": {"criterion": "fixed", "k": 3}, "report": {"figures": False}})
    targets = read_targets(root.parent / "targets.ecsv")

    def one_by_one(client: Any, function: Any, tasks: Any, **options: Any) -> Any:
        for task in tasks:
            result = process_galaxy(task.argument)
            yield SimpleNamespace(task=task, result=result, error=None, worker="", host="")

    # They are loaded when something is to be computed.
    submit.run_tasks = one_by_one
    survey.started = lambda cluster: cluster
    live.live_state = lambda *run: nullcontext(lambda name: None)
    admission.admission = lambda *workers, **needs: nullcontext(None)
    results = survey.run_survey(root, targets, settings, None)
    assert results.count("quarantined") == 0, results.failures


WORKS: dict[str, Work] = {"commit": commit_and_publish, "survey": whole_survey}


def _copy_files(source: Path, folder: Path) -> None:
    for file in source.iterdir():
        shutil.copyfile(file, folder / file.name)


def digest(root: Path) -> str:
    """Hash of the content of the published catalog, without columns that vary from run to run."""
    hashes = []
    for name, table in declared_tables().items():
        columns = [column.name for column in table.columns if not column.volatile]
        catalog = open_catalog(root)
        kept = [column for column in catalog.arrow_schema(name).names if column in columns]
        for file in catalog.files(name):
            hashes.append((name, pd.read_parquet(file, columns=kept).to_json(orient="split")))
    return hash_bytes(repr(hashes).encode())


def read_with_pandas(root: Path) -> None:
    """Read the tables as somebody does who has only pandas."""
    for name in (
        "galaxies.parquet",
        "clusters.parquet",
        "quarantine.parquet",
        "spaxels",
        "spectra",
    ):
        pd.read_parquet(root / "catalog" / name)


def after_kill(root: Path, work: Work, *, had_catalog: bool) -> str:
    """What has to hold after a kill, then the same work to its end; returns its digest."""
    if had_catalog or (root / "catalog").exists():
        read_with_pandas(root)
    if (root / "logs").exists():
        read_status(root)
    work(root)
    assert all(check.ok for check in verify(root)), verify(root)
    assert read_status(root).state == "complete"
    left = list(unfinished_work(root))
    assert not left, left
    assert not (root / ".versions/.building").exists()
    for receipt in root.glob("parts/*/*"):
        Receipt.read(receipt)
    return digest(root)


def in_fork(function: Callable[[], Any], answer: Path) -> int:
    """Call a function in a fork and write what it returns as JSON; the status of the process."""
    pid = os.fork()
    if pid == 0:
        try:
            answer.write_text(json.dumps(function()))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def kill_at_every_step(work: Work, folder: Path, first: int, every: int) -> int:
    """Kill the work in FOLDER/before at one step after the other; the number of kills."""
    before, root, answer = folder / "before", folder / "run", folder / "answer.json"
    had_catalog = (before / "catalog").exists()

    def fresh() -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(before, root, symlinks=True)

    def killed(step: int) -> None:
        Killer(str(root), step).install()
        work(root)

    fresh()
    assert in_fork(lambda: (work(root), digest(root))[1], answer) == 0
    undisturbed = json.loads(answer.read_text())
    kills = 0
    for step in range(first, 100_000, every):
        fresh()
        status = in_fork(lambda step=step: killed(step), answer)
        if status == 0:
            return kills
        assert os.WIFSIGNALED(status), f"step {step}: failed instead of being killed"
        assert os.WTERMSIG(status) == signal.SIGKILL, f"step {step}: {status}"
        kills += 1
        status = in_fork(lambda: after_kill(root, work, had_catalog=had_catalog), answer)
        assert status == 0, f"step {step}: the work does not go on"
        assert json.loads(answer.read_text()) == undisturbed, f"step {step}: another catalog"
    return kills


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()
    print(kill_at_every_step(WORKS[given.work], given.folder.resolve(), given.first, given.every))


if __name__ == "__main__":
    main()
