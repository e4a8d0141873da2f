"""Reads the catalog of a run with pandas at 20 Hz, as a user may, and notes when that fails.

    python reader.py RUN REPORT GOOD[,GOOD...]

It ends when its standard input is closed, and writes REPORT: how often it read, how often the
link was swapped under pandas, the longest pause between two readings, what went wrong, and the
CPU seconds it took.
"""

from __future__ import annotations

import json
import select
import sys
import time
from pathlib import Path

import pandas as pd

PERIOD_S = 0.05
TABLES = ("galaxies.parquet", "clusters.parquet", "quarantine.parquet", "measurements")
MOST_VIOLATIONS = 50


class Reader:
    """Reads one run and remembers what it saw.

    The tables of one version are read from the folder that the link names: whole when the
    version is new, later one column of each, since a version never changes. Besides, they are
    read through the link itself. There pandas (3.1) opens a file twice, for its footer and for
    its data. If the link is swapped in between, it fails: such failures are counted, and any
    other is a violation.
    """

    def __init__(self, root: Path, good: set[str]) -> None:
        self.root = root
        self.good = good
        self.seen: set[str] = set()
        self.whole: Path | None = None
        self.readings = 0
        self.swapped = 0
        self.violations: list[str] = []

    def read(self) -> None:
        """Read all tables of the catalog, if there was one yet."""
        link = self.root / "catalog"
        if not self.seen and not link.exists():
            return
        version = link.resolve()
        columns = ["galaxy"] if version == self.whole else None
        tables = {}
        for name in TABLES:
            try:
                tables[name] = pd.read_parquet(version / name, columns=columns)
            except Exception as error:
                self._note(f"{name} could not be read: {type(error).__name__}: {error}")
                return
        self.whole = version
        self._read_through(link, TABLES[self.readings % len(TABLES)], columns)
        self.readings += 1
        names = list(tables["galaxies.parquet"]["galaxy"])
        if len(names) != len(set(names)):
            self._note("a galaxy is in the catalog twice")
        if lost := self.seen - set(names):
            self._note(f"no longer in the catalog: {sorted(lost)}")
        if blamed := set(tables["quarantine.parquet"]["galaxy"]) & self.good:
            self._note(f"good galaxies in quarantine: {sorted(blamed)}")
        self.seen |= set(names)

    def _read_through(self, link: Path, name: str, columns: list[str] | None) -> None:
        before = link.readlink()
        try:
            pd.read_parquet(link / name, columns=columns)
        except Exception as error:
            if link.readlink() != before:
                self.swapped += 1
            else:
                self._note(f"{name} could not be read by the link: {error}")

    def _note(self, text: str) -> None:
        if text not in self.violations and len(self.violations) < MOST_VIOLATIONS:
            self.violations.append(text)


def main() -> None:
    """Read until standard input ends."""
    root, report, good = sys.argv[1:]
    reader = Reader(Path(root), set(good.split(",")))
    print("reading", flush=True)
    due = last = time.monotonic()
    longest = 0.0
    while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        reader.read()
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        due = max(due + PERIOD_S, now)
    facts = {
        "readings": reader.readings,
        "swapped": reader.swapped,
        "longest_pause_s": longest,
        "violations": reader.violations,
        "cpu_s": time.process_time(),
    }
    Path(report).write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
