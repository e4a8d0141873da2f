"""Distances on a CUDA device against the cores, where there is one: 10,000 x 4,563, 13 lags.

python -m tests.benchmarks.speed.bench_device [SPECTRA SAMPLES]
"""

from __future__ import annotations

import sys
import time

import numpy as np

from survey.distances.devices import Device
from survey.distances.distances import Distances, shifted_distances
from survey.errors import ConfigError

SHAPE = (10_000, 4563)
MAX_SHIFT = 6
DEVICES: tuple[Device, ...] = ("cuda", "cpu")


def main() -> None:
    """Print seconds on both, and by how much the results differ."""
    shape = tuple(map(int, sys.argv[1:])) or SHAPE
    spectra = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found: dict[Device, Distances] = {}
    for device in DEVICES:
        try:
            # The first call loads libraries, and finds out how to multiply fastest.
            shifted_distances(spectra[:300], MAX_SHIFT, dtype="float32", device=device)
        except ConfigError as error:
            sys.exit(str(error))
        start = time.perf_counter()
        found[device] = shifted_distances(spectra, MAX_SHIFT, dtype="float32", device=device)
        seconds = time.perf_counter() - start
        print(f"{device:<5}{found[device].engine:<14}{seconds:8.2f} s")
    difference = np.abs(found["cuda"].condensed - found["cpu"].condensed).max()
    print(f"largest difference {difference / np.median(found['cpu'].condensed):.1e} of the median")


if __name__ == "__main__":
    main()
