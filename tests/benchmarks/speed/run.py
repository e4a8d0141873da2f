"""Run all benchmarks and print their tables: `make bench`."""

from __future__ import annotations

import sys

from tests.benchmarks.speed import (
    bench_campaign,
    bench_classes,
    bench_distances,
    bench_job,
    bench_workers,
)

if __name__ == "__main__":
    met = [
        benchmark.main()
        for benchmark in (bench_distances, bench_job, bench_workers, bench_classes, bench_campaign)
    ]
    sys.exit(0 if all(met) else 1)
