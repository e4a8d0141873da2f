"""Run all benchmarks and print their tables: `make bench`."""

from __future__ import annotations

import sys

import bench_campaign
import bench_classes
import bench_distances
import bench_job
import bench_workers

if __name__ == "__main__":
    met = [
        benchmark.main()
        for benchmark in (bench_distances, bench_job, bench_workers, bench_classes, bench_campaign)
    ]
    sys.exit(0 if all(met) else 1)
