"""Speed of the shift-minimised distances, as ratios measured in one run.

The yardsticks are plain matrix products X @ X.T with NumPy, and SciPy's `cdist`. Both sides of a
ratio take turns on one thread. CPU seconds of the process count, and of several repeats the
fastest: on a busy machine that is the figure least disturbed. Even so a machine that is busy
disturbs the distances, which need the cache, by a tenth to a fifth more than the products.
`--full` adds the large case.

    python -m tests.benchmarks.speed.bench_distances [--full]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

import numpy as np
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from survey.distances.distances import shifted_distances
from survey.distances.lags import lag_range, overlap
from tests.benchmarks.table import Line, print_table

THREADS = 1
MAX_SHIFT = 6
CDIST_SPECTRA = 150

Seconds = list[float]


def measure(full: bool) -> Iterator[Line]:
    """All lines of the table."""
    rng = np.random.default_rng(0)
    spectra = rng.normal(size=(2500, 2400))
    for dtype, limit, before in (
        ("float32", 0.09, "0.122 to 0.146"),
        ("float64", 0.20, "0.25 to 0.31"),
    ):
        line = against_products(spectra, MAX_SHIFT, dtype, limit=limit, repeats=10)
        yield replace(line, detail=f"(before: {before}) {line.detail}")
    yield against_cdist(spectra.astype(np.float32), limit=50, repeats=3)
    yield against_products(rng.normal(size=(4900, 2000)), 0, "float32", limit=1.2, repeats=15)
    if full:
        spectra = rng.normal(size=(5000, 4563))
        yield against_products(spectra, MAX_SHIFT, "float32", limit=0.15, repeats=3)


def against_products(
    spectra: np.ndarray, max_shift: int, dtype: str, limit: float, repeats: int
) -> Line:
    """Distances over one plain product per lag: of float64, or of `dtype` without shifts."""
    n_products = 2 * max_shift + 1
    data, yardstick = spectra.astype(dtype), spectra.astype("float64" if max_shift else dtype)

    def products() -> None:
        with threadpool_limits(THREADS, user_api="blas"):
            for _ in range(n_products):
                yardstick @ yardstick.T

    ours, plain = time_in_turn(lambda: distances(data, max_shift), products, repeats)
    return Line(
        f"{shape(spectra)}, {n_products} lags, {dtype} / {n_products} x {yardstick.dtype} X @ X.T",
        min(ours) / min(plain),
        limit,
        detail=detail(ours, plain, median(ours) / median(plain)),
    )


def against_cdist(spectra: np.ndarray, limit: float, repeats: int) -> Line:
    """SciPy once per lag, measured on a subset and scaled, over distances."""
    subset = spectra[:CDIST_SPECTRA].astype(np.float64)

    def cdist_per_lag() -> None:
        for lag in lag_range(MAX_SHIFT):
            here, there = overlap(int(lag), subset.shape[1])
            cdist(subset[:, here], subset[:, there], "sqeuclidean")

    ours, measured = time_in_turn(lambda: distances(spectra, MAX_SHIFT), cdist_per_lag, repeats)
    scipy = [seconds * (len(spectra) / len(subset)) ** 2 for seconds in measured]
    return Line(
        f"SciPy cdist per lag / {shape(spectra)}, {2 * MAX_SHIFT + 1} lags, {spectra.dtype}",
        min(scipy) / min(ours),
        limit,
        at_most=False,
        detail=detail(scipy, ours, median(scipy) / median(ours)),
    )


def distances(spectra: np.ndarray, max_shift: int) -> None:
    """The distances, in the precision of the spectra."""
    shifted_distances(spectra, max_shift, dtype=spectra.dtype.name, threads=THREADS)


def time_in_turn(
    first: Callable[[], None], second: Callable[[], None], repeats: int
) -> tuple[Seconds, Seconds]:
    """CPU seconds that both take, called alternately."""
    seconds: tuple[Seconds, Seconds] = ([], [])
    for _ in range(repeats):
        for function, spent in zip((first, second), seconds, strict=True):
            start = time.process_time()
            function()
            spent.append(time.process_time() - start)
    return seconds


def shape(spectra: np.ndarray) -> str:
    """Size of a case."""
    return f"{spectra.shape[0]} x {spectra.shape[1]}"


def detail(upper: Seconds, lower: Seconds, median_ratio: float) -> str:
    """The two sides of a ratio, and what it would be by medians."""
    return f"({min(upper):.2f} s / {min(lower):.2f} s; of medians {median_ratio:.3f})"


def main() -> bool:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="add 5,000 x 4,563 (a minute more)")
    return print_table("Distances", measure(parser.parse_args().full))


if __name__ == "__main__":
    main()
