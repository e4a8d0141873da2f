"""Thousands of galaxies: what they cost besides their own computation.

    python -m tests.benchmarks.scale.bench_archive [CASE ...] [--folder DIR] [--scale FACTOR]

What was measured is kept in the folder, so that cases can be measured one at a time; the table
at the end has all of them. Cases that are not named are measured if they never were. With a
FACTOR below 1 there are fewer galaxies, for a first look.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.scale import (
    archive_galaxies,
    archive_publishing,
    archive_resuming,
    archive_scheduling,
)
from tests.benchmarks.table import Line, print_table

FOLDER = Path("bench") / "archive"
RESULTS = "results.json"

CASES: dict[str, Callable[[Path, float], Iterator[Line]]] = {
    "galaxies": archive_galaxies.measure,
    "figures": archive_galaxies.measure_with_figures,
    "scheduling": archive_scheduling.measure,
    "publish": archive_publishing.measure_publishing,
    "read": archive_publishing.measure_reading,
    "resume": archive_resuming.measure,
}


def measure(cases: list[str], folder: Path, scale: float) -> bool:
    """Measure some cases, and print the table of all there are."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / RESULTS
    known = json.loads(file.read_text()) if file.exists() else {}
    for case in cases or [case for case in CASES if case not in known]:
        print(f"measuring: {case}", file=sys.stderr)
        known[case] = [asdict(line) for line in CASES[case](folder, scale)]
        file.write_text(json.dumps(known, indent=1))
    met = [
        print_table(case, (Line(**line) for line in known[case])) for case in CASES if case in known
    ]
    return all(met)


def main() -> bool:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], metavar="CASE")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    return measure(arguments.cases, arguments.folder, arguments.scale)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
