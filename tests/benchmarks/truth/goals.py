"""All benchmarks against the truth, and all goals in one table: `make bench-truth`.

Every figure is kept as soon as it is measured, so the same command goes on where an earlier one
stopped. Each goal is given on the seeds that thresholds and methods were chosen on, and on fresh
ones, with the number of values that its figure is made of.

    python -m tests.benchmarks.truth.goals [--table] [--workers 2]
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence

from tests.benchmarks.table import Line
from tests.benchmarks.truth import (
    bench_large_sample,
    bench_truth,
    bench_truth_classes,
    bench_truth_cut,
    bench_truth_fluxes,
    bench_truth_lines,
)

SEEDS = ("chosen", "fresh")
WORKERS = 2


def goals(seeds: str) -> dict[str, list[Line]]:
    """The goals on some seeds by the figures that are kept, by what they are about."""
    classes = bench_truth_classes
    archives = {"chosen": classes.CHOOSING, "fresh": classes.FRESH}[seeds]
    return {
        "The cut": list(bench_truth_cut.goals(seeds, workers=0)),
        "Fluxes": list(bench_truth_fluxes.goals(seeds, workers=0)),
        "Classes": list(classes.goals(classes.kept_archives(archives), measure=False)),
    }


def print_goals() -> bool:
    """Print the table; returns whether all goals are met on fresh seeds."""
    by_seeds = {seeds: goals(seeds) for seeds in SEEDS}
    by_seeds["fresh"]["Observed cubes"] = list(bench_truth_cut.observed_goals(workers=0))
    print(f"\n{'':70}{'goal':>9}{'chosen (n)':>20}{'fresh (n)':>20}")
    met = True
    for group in by_seeds["fresh"]:
        print(group)
        chosen, fresh = (
            {line.case: line for line in by_seeds[seeds].get(group, ())} for seeds in SEEDS
        )
        for case in [*fresh, *(case for case in chosen if case not in fresh)]:
            print(_row(case, chosen.get(case), fresh.get(case)))
            met &= case not in fresh or fresh[case].met
    return met


def _row(case: str, chosen: Line | None, fresh: Line | None) -> str:
    line = fresh or chosen
    assert line is not None
    goal = f"{'<=' if line.at_most else '>='} {line.limit:g}" if line.limit == line.limit else "-"
    verdict = "" if fresh is None or math.isnan(fresh.limit) else "met" if fresh.met else "MISSED"
    return (
        f"  {case:<68}{goal:>9}{_figure(chosen):>20}{_figure(fresh):>20}  {verdict:<7}{line.detail}"
    )


def _figure(line: Line | None) -> str:
    return "" if line is None else f"{line.value:.3f} ({line.n})"


def measure(workers: int) -> Iterable[bool]:
    """Run all benchmarks; whether each meets its targets."""
    for seeds in SEEDS:
        bench_truth_cut.main(seeds, workers)
        bench_truth_lines.main(["--seeds", seeds, "--workers", str(workers)])
        yield bench_truth_fluxes.main(["--seeds", seeds, "--workers", str(workers)])
    yield bench_truth_classes.main()
    yield bench_truth.main()
    yield bench_large_sample.main()


def main(arguments: Sequence[str] = ()) -> bool:
    """Measure what is not kept, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="only of what is kept")
    parser.add_argument("--workers", type=int, default=WORKERS)
    given = parser.parse_args(arguments)
    met = [] if given.table else list(measure(given.workers))
    return all([*met, print_goals()])


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
