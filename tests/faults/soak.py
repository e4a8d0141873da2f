"""Hundreds of kills, and every other fault, of one archive: prints a table.

    python tests/faults/soak.py [--seed 1] [--worker-kills 200] [--driver-kills 50] [--only NAME]

With `--folder` it can be interrupted: every series of runs without a violation is kept there, and
the same command goes on with the others. The exit code is 1 if anything was violated. Logs of runs
with violations are kept in the folder.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import signal
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from tests.faults import disks, scenarios
from tests.faults.archive import POISON, Archive, make_archive
from tests.faults.series import Series, adopt_orphans, observed, undisturbed_run

KILLS_PER_RUN = 10
HELD_S = 8.0


@dataclass
class Row:
    """One line of the table."""

    fault: str
    series: int = 0
    runs: int = 0
    worker_kills: int = 0
    driver_kills: int = 0
    other: int = 0
    violations: int = 0
    cpu_s: float = 0.0
    undisturbed_cpu_s: float = 0.0
    readings: int = 0
    swapped: int = 0

    @classmethod
    def of(cls, fault: str, series: Series, undisturbed_cpu_s: float) -> Row:
        """What one series of runs counts."""
        return cls(
            fault, 1, len(series.codes), series.worker_kills, series.driver_kills, series.other,
            len(series.found), series.cpu_s, undisturbed_cpu_s, series.readings, series.swapped,
        )  # fmt: skip

    def add(self, other: Row) -> None:
        """Count what another line counts."""
        for name in vars(self).keys() - {"fault"}:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def text(self) -> str:
        """The line."""
        overhead = self.cpu_s - self.undisturbed_cpu_s
        faults = self.worker_kills + self.driver_kills + self.other
        return (
            f"{self.fault:<34}{faults:>7}{self.worker_kills:>8}{self.driver_kills:>8}"
            f"{self.runs:>6}{self.readings:>10}{self.swapped:>8}{self.violations:>11}{self.cpu_s:>9.0f}"
            f"{overhead:>+10.0f}{overhead / max(1, faults):>+11.1f}"
        )


HEADER = (
    f"{'fault':<34}{'faults':>7}{'workers':>8}{'drivers':>8}{'runs':>6}{'readings':>10}{'swapped':>8}"
    f"{'violations':>11}{'CPU s':>9}{'overhead':>10}{'per fault':>11}"
)


class Soak:
    """All scenarios over one archive.

    Parameters
    ----------
    folder : Path
        Gets the archive and all runs.
    seed : int
    n_good : int
        Good galaxies of the archive.
    """

    def __init__(self, folder: Path, seed: int, n_good: int) -> None:
        self.folder = folder
        self.seed = seed
        self.rows: list[Row] = []
        facts = folder / "undisturbed.json"
        if not facts.exists():
            archive = make_archive(folder / "archive", n_good, seed=2)
            archive.save(folder / "archive.json")
            found = undisturbed_run(archive, folder / "undisturbed")
            _write(facts, found)
        self.archive = Archive.load(folder / "archive.json")
        self.digests, self.cpu_s = json.loads(facts.read_text())

    def run(
        self,
        row: Row,
        disturb: Callable[[Series], None],
        *,
        archive: Archive | None = None,
        finished: bool = False,
        disk: tuple[int, int] | None = None,
    ) -> Row:
        """Run one scenario, unless its result is known, and print what was violated.

        With `finished` it starts with everything computed, and a catalog of another quarantine;
        with `disk` the run directory is on a disk of so many megabytes and inodes.
        """
        folder = self.folder / self._name(row)
        kept = folder.with_suffix(".json")
        if kept.exists():
            one = Row(**json.loads(kept.read_text()))
            row.add(one)
            return one
        shutil.rmtree(folder, ignore_errors=True)
        expected, cpu_s = self.digests, self.cpu_s
        if archive is not None:  # It has another quarantine.
            expected = {name: d for name, d in expected.items() if name != "quarantine"}
        with ExitStack() as stack:
            root = folder / "run"
            if disk is not None:
                root = stack.enter_context(disks.small_disk(folder / "disk", *disk)) / "run"
            if finished:
                cpu_s = 0.0
                shutil.copytree(self.folder / "undisturbed" / "run", root, symlinks=True)
            watch = observed(archive or self.archive, root, folder / "log", expected)
            with watch as series:
                try:
                    disturb(series)
                except (TimeoutError, OSError) as error:
                    series.found.append(f"{type(error).__name__}: {error}")
        one = Row.of(row.fault, series, cpu_s)
        row.add(one)
        for text in series.found:
            print(f"VIOLATED [{row.fault}, {folder}]: {text}", flush=True)
        if not series.found:
            shutil.rmtree(folder, ignore_errors=True)
            _write(kept, asdict(one))
        print(one.text(), flush=True)
        return one

    def row(self, fault: str) -> Row:
        """A new line of the table."""
        self.rows.append(Row(fault))
        return self.rows[-1]

    def generator(self, row: Row) -> np.random.Generator:
        """Random numbers of the next series of a line."""
        return np.random.default_rng([self.seed, zlib.crc32(self._name(row).encode())])

    @staticmethod
    def _name(row: Row) -> str:
        words = "".join(letter if letter.isalnum() else "-" for letter in row.fault)
        return f"{words}-{row.series + 1:02d}"


def _write(path: Path, content: Any) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content))
    new.replace(path)


def workers_at_steps(soak: Soak, kills: int) -> None:
    """Workers killed before changes of files: all of them in turn, a few each run."""
    row = soak.row("worker killed at a step")
    order = soak.generator(row).permutation(np.arange(1, scenarios.STEPS_OF_A_GALAXY + 1))
    for first in range(0, math.ceil(kills / KILLS_PER_RUN) * KILLS_PER_RUN, KILLS_PER_RUN):
        steps = sorted(int(order[i % len(order)]) for i in range(first, first + KILLS_PER_RUN))
        soak.run(row, partial(scenarios.kill_workers_at_steps, steps=steps))


def workers_at_random(soak: Soak, kills: int) -> None:
    """Workers killed at random times, as by preemption."""
    row = soak.row("worker killed while it starts")
    for _ in range(math.ceil(kills / 50)):
        soak.run(row, partial(scenarios.kill_workers_at_start, kills=3))
    row = soak.row("worker killed every 3 CPU s")
    while kills > 0:
        disturb = partial(
            scenarios.preempt_workers,
            rng=soak.generator(row),
            kills=min(kills, 20),
            every_cpu_s=3.0,
        )
        done = soak.run(row, disturb).worker_kills
        if not done:
            break
        kills -= done


def drivers_at_steps(soak: Soak, kills: int) -> None:
    """Drivers killed before changes of files, each in turn."""
    row = soak.row("driver killed at a step")
    good = soak.archive.only_good()
    last = scenarios.STEPS_OF_A_DRIVER
    every = max(1, round(last / max(1, kills)))
    while kills > 0:
        steps = range(1, last + 1, every)
        disturb = partial(scenarios.kill_drivers_at_steps, steps=steps)
        done = soak.run(row, disturb, archive=good, finished=True).driver_kills
        if not done:
            break
        kills -= done


def drivers_at_work(soak: Soak, kills: int) -> None:
    """Drivers killed while their workers are busy; the next one starts at once."""
    row = soak.row("driver killed at work")
    for _ in range(math.ceil(kills / 3)):
        disturb = partial(scenarios.kill_drivers_at_work, rng=soak.generator(row), kills=3)
        soak.run(row, disturb)


def signals(soak: Soak) -> None:
    """Signals that ask the driver to stop."""
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        disturb = partial(scenarios.ask_to_stop, number=getattr(signal, name))
        soak.run(soak.row(name), disturb)
    row = soak.row("SIGINT twice")
    for seconds in (0.1, 0.4):
        soak.run(row, partial(scenarios.interrupt_twice, again_after_s=seconds))
    soak.run(soak.row("a second driver"), scenarios.start_a_second)


def stopped(soak: Soak) -> None:
    """Workers stopped for longer than their life, at three moments of a galaxy."""
    row = soak.row("worker stopped too long")
    for step in (60, 113, 161):
        soak.run(row, partial(scenarios.stop_worker, step=step))
    soak.run(
        soak.row("worker stopped for ever"), partial(scenarios.stop_worker, step=150, go_on=False)
    )


def clocks(soak: Soak) -> None:
    """Clocks that jump by an hour."""
    row = soak.row("clock +-1 h")
    for role in ("driver", "worker"):
        for offset_s in (3600.0, -3600.0):
            disturb = partial(scenarios.shift_clock, role=role, offset_s=offset_s)
            soak.run(row, disturb)


def poisoned(soak: Soak) -> None:
    """A galaxy that always kills its worker."""
    archive = make_archive(soak.folder / "poisoned", len(soak.archive.good), seed=2, poison=True)
    assert POISON in archive.bad
    soak.run(soak.row("a galaxy that kills its worker"), scenarios.poison, archive=archive)


def full_disks(soak: Soak) -> None:
    """Disks without room or inodes, and files of limited size; a while and for ever."""
    if why := disks.why_no_small_disk():
        print(f"SKIPPED full disks: {why}", flush=True)
        return
    fills = {"disk": disks.fill_bytes, "inodes": disks.fill_inodes}
    for for_s in (HELD_S, None):
        when = "for ever" if for_s is None else f"for {for_s:.0f} s"
        for name, fill in fills.items():
            row = soak.row(f"{name} full {when}")
            for after in (0, 3):
                disturb = partial(_starve, fill=fill, after=after, for_s=for_s)
                soak.run(row, disturb, disk=(48, 6000))
        row = soak.row(f"file size limited {when}")
        soak.run(row, partial(scenarios.limit_file_size, limit=40_000, for_s=for_s))


def full_spill_folders(soak: Soak) -> None:
    """The disk to which workers spill is full, a while and for ever."""
    if why := disks.why_no_small_disk():
        print(f"SKIPPED full spill folders: {why}", flush=True)
        return
    for for_s in (HELD_S, None):
        row = soak.row(f"spill folder full {'for ever' if for_s is None else f'for {for_s:.0f} s'}")
        soak.run(row, partial(_starve_spill, for_s=for_s))


def few_files(soak: Soak) -> None:
    """Processes that may open no more files, a while and for ever."""
    for who, driver_too in (("workers", False), ("all", True)):
        row = soak.row(f"no open files left, {who}, for {HELD_S:.0f} s")
        how = partial(scenarios.limit_open_files, for_s=HELD_S, driver_too=driver_too)
        soak.run(row, how)
    row = soak.row("no open files left for ever")
    soak.run(row, partial(scenarios.limit_open_files, for_s=None, driver_too=False))


def _starve(series: Series, **how: Any) -> None:
    scenarios.starve_disk(series, series.root.parent, **how)


def _starve_spill(series: Series, for_s: float | None) -> None:
    with disks.small_disk(series.folder / "spill", 2, 200) as disk:
        scenarios.starve_spill_folder(series, disk, for_s=for_s)


PARTS: dict[str, Callable[[Soak, argparse.Namespace], None]] = {
    "worker-steps": lambda soak, o: workers_at_steps(soak, o.worker_kills // 2),
    "preemption": lambda soak, o: workers_at_random(soak, o.worker_kills - o.worker_kills // 2 + 5),
    "driver-steps": lambda soak, o: drivers_at_steps(soak, o.driver_kills),
    "driver-work": lambda soak, o: drivers_at_work(soak, max(3, o.driver_kills // 5)),
    "signals": lambda soak, o: signals(soak),
    "stopped": lambda soak, o: stopped(soak),
    "clocks": lambda soak, o: clocks(soak),
    "poison": lambda soak, o: poisoned(soak),
    "spill": lambda soak, o: full_spill_folders(soak),
    "disks": lambda soak, o: full_disks(soak),
    "files": lambda soak, o: few_files(soak),
}


def _lines(soak: Soak) -> Iterator[str]:
    yield HEADER
    yield from (row.text() for row in soak.rows)
    total = Row("all")
    for row in soak.rows:
        total.add(row)
    yield total.text()


def main() -> None:
    """Run the parts that were asked for, and print the table."""
    parser = argparse.ArgumentParser(description="Faults of a survey, hundreds of them.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker-kills", type=int, default=200)
    parser.add_argument("--driver-kills", type=int, default=50)
    parser.add_argument("--good", type=int, default=12, help="good galaxies of the archive")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    # In the background and under nohup these are ignored, and surveys would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    adopt_orphans()
    folder = (options.folder or Path(mkdtemp(prefix="soak-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    soak = Soak(folder, options.seed, options.good)
    print(f"undisturbed: {soak.cpu_s:.0f} CPU s, {options.good} good galaxies", flush=True)
    for name in options.only:
        PARTS[name](soak, options)
        print(f"{name}: done after {time.monotonic() - start:.0f} s", flush=True)
    print("\n".join(_lines(soak)))
    wrong = sum(row.violations for row in soak.rows)
    if not wrong and options.folder is None:
        shutil.rmtree(folder)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
