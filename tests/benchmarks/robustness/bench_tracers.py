"""Do maps that have nothing to do with the clusters look related, and are related ones found?

Random smooth fields are divided into clusters and compared with classes and values of other random
fields (unrelated), of the same field with noise (related), and of fields that only share a bright
centre. Counted is how often the p-value is at most 0.05.

    nice python -m tests.benchmarks.robustness.bench_tracers [--n 100] [--draws 199]
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.ndimage import gaussian_filter

from catalogs.validation.tracer_columns import SIGNIFICANT
from survey.validation.tracers.association import adjusted_mutual_information
from survey.validation.tracers.measure import ClusteredField, trace_classes, trace_values

SIZE = 28
CENTRE = ((SIZE - 1) / 2, (SIZE - 1) / 2)
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]
RADIUS = np.hypot(ROWS - CENTRE[0], COLUMNS - CENTRE[1])
INSIDE = RADIUS < SIZE / 2 - 0.5
SCALES = (1.5, 5.0)
SHUFFLES = 19
NOISE = (0.5, 1.0, 2.0)


def smooth(rng: np.random.Generator) -> np.ndarray:
    """A random field of unit variance with structure of some spaxels."""
    scale = rng.uniform(*SCALES)
    field = gaussian_filter(rng.normal(size=(SIZE + 60, SIZE + 60)), scale)[30:-30, 30:-30]
    return np.asarray(field / field[INSIDE].std())


def parts(field: np.ndarray, k: int) -> np.ndarray:
    """Classes 1..k of equal area."""
    return np.digitize(field, np.quantile(field[INSIDE], np.linspace(0, 1, k + 1)[1:-1])) + 1


def compared(
    clusters: np.ndarray, tracer: np.ndarray, draws: int, rng: np.random.Generator
) -> dict[str, bool]:
    """Which p-values are at most 0.05."""
    y, x = np.nonzero(INSIDE)
    nothing = np.full(len(y), np.nan)
    labels = parts(clusters, int(rng.integers(2, 7)))
    field = ClusteredField(y, x, labels[y, x].astype(np.int32), CENTRE, nothing, nothing)
    classes = parts(tracer, 3)
    seed = int(rng.integers(1 << 30))
    by_class = trace_classes(field, np.where(INSIDE, classes, np.nan), draws=draws, seed=seed)
    by_value = trace_values(field, np.where(INSIDE, tracer, np.nan), draws=draws, seed=seed)
    own = classes[y, x]
    shuffled = [
        adjusted_mutual_information(field.labels, rng.permutation(own)) for _ in range(SHUFFLES)
    ]
    return {
        "classes": by_class.p_value <= SIGNIFICANT,
        "values": by_value.p_value <= SIGNIFICANT,
        "classes, rotated": by_class.p_rotation <= SIGNIFICANT,
        "classes, spaxels shuffled": by_class.value > max(shuffled),
    }


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--draws", type=int, default=199)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    bright = 3 * np.exp(-RADIUS / 5)
    rows: dict[str, list[dict[str, bool]]] = {}
    for _ in range(given.n):
        one, other = smooth(rng), smooth(rng)
        rows.setdefault("unrelated", []).append(compared(one, other, given.draws, rng))
        rows.setdefault("only a bright centre in common", []).append(
            compared(one + bright, other + bright, given.draws, rng)
        )
        for noise in NOISE:
            rows.setdefault(f"the same with {noise:g} times as much of another", []).append(
                compared(one, one + noise * other, given.draws, rng)
            )
    columns = list(rows["unrelated"][0])
    print(f"n = {given.n}, {given.draws} draws; share with p <= {SIGNIFICANT}")
    print(f"| maps | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, found in rows.items():
        shares = (np.mean([each[column] for each in found]) for column in columns)
        print(f"| {name} | {' | '.join(f'{share:.2f}' for share in shares)} |")


if __name__ == "__main__":
    main()
