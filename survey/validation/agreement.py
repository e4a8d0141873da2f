"""How much two partitions of the same spaxels agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Labels = NDArray[np.integer]

LEFT_OUT = 0
"""Label of a spaxel that is in no cluster; it counts for nothing."""

_TINY = 1e-12


def adjusted_rand(first: Labels, second: Labels) -> float:
    """Adjusted Rand index (Hubert & Arabie 1985) over the spaxels that both have in a cluster.

    It is 1 for equal partitions, also for two of one cluster each, and about 0 for unrelated ones;
    NaN without a common spaxel.
    """
    table = contingency(first, second)
    n = table.sum()
    if n < 2:
        return np.nan
    together = _pairs(table).sum()
    of_first, of_second = _pairs(table.sum(axis=1)).sum(), _pairs(table.sum(axis=0)).sum()
    expected = of_first * of_second / _pairs(n)
    most = (of_first + of_second) / 2
    return 1.0 if most == expected else float((together - expected) / (most - expected))


def best_jaccard(first: Labels, second: Labels) -> NDArray[np.float64]:
    """(k,) for every cluster 1..k of `first` the largest Jaccard index with one of `second`.

    Hennig (2007), Computational Statistics & Data Analysis 52, 258: the usual measure of whether a
    single cluster is found again. NaN for a cluster without a common spaxel.
    """
    table = contingency(first, second)
    union = table.sum(axis=1)[:, None] + table.sum(axis=0)[None, :] - table
    best = (table / np.maximum(union, 1)).max(axis=1, initial=0.0)
    return np.where(table.sum(axis=1) > 0, best, np.nan)


def agreement(adopted: Labels, other: Labels) -> float:
    """`adjusted_rand`; of one cluster, whose index is 0 or 1, the share that stays together."""
    if adopted.max() > 1:
        return adjusted_rand(adopted, other)
    return float(best_jaccard(adopted, other)[0])


def contingency(first: Labels, second: Labels) -> NDArray[np.int64]:
    """(k, m) spaxels by cluster 1..k of the first and 1..m of the second partition."""
    table = np.zeros((int(first.max(initial=0)), int(second.max(initial=0))), np.int64)
    both = (first != LEFT_OUT) & (second != LEFT_OUT)
    np.add.at(table, (first[both] - 1, second[both] - 1), 1)
    return table


def concentricity(labels: Labels, radius: NDArray[np.floating]) -> float:
    """Adjusted mutual information (Vinh et al. 2010) of the clusters with rings around a point.

    There are as many rings as clusters, with as many spaxels as these, in the order of the mean
    radius of the clusters: perfect rings give 1, clusters that ignore the radius about 0.
    """
    used = labels != LEFT_OUT
    clusters, inside = np.unique(labels[used], return_inverse=True)
    if len(clusters) < 2:
        return np.nan
    count = np.bincount(inside)
    order = np.argsort(np.bincount(inside, radius[used]) / count)
    rings = np.empty(len(inside), np.int64)
    rings[np.argsort(radius[used], kind="stable")] = np.repeat(order, count[order])
    return adjusted_mutual_information(inside + 1, rings + 1)


def adjusted_mutual_information(first: Labels, second: Labels) -> float:
    """Mutual information beyond chance, over the mean entropy beyond chance.

    Vinh, Epps & Bailey (2010), Journal of Machine Learning Research 11, 2837, with the arithmetic
    mean of the entropies. It is 1 for equal partitions and about 0 for unrelated ones. Labels are
    those of `contingency`; NaN without a common spaxel.
    """
    table = contingency(first, second)
    n = int(table.sum())
    if not n:
        return np.nan
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    rows, columns = rows[rows > 0], columns[columns > 0]
    shared = _entropy(rows) + _entropy(columns) - _entropy(table[table > 0])
    expected = sum(_expected_information(int(a), int(b), n) for a in rows for b in columns)
    most = (_entropy(rows) + _entropy(columns)) / 2
    return 1.0 if most - expected <= _TINY else float((shared - expected) / (most - expected))


def _entropy(count: NDArray[np.int64]) -> float:
    share = count / count.sum()
    return float(-(share * np.log(share)).sum())


def _expected_information(a: int, b: int, n: int) -> float:
    """Mean contribution of two clusters of a and b of n spaxels that are drawn independently."""
    common = np.arange(max(1, a + b - n), min(a, b) + 1)
    given = gammaln([a + 1, b + 1, n - a + 1, n - b + 1]).sum() - gammaln(n + 1)
    cells = np.array([common, a - common, b - common, n - a - b + common])
    chance = np.exp(given - gammaln(cells + 1).sum(axis=0))
    return float((common / n * np.log(n * common / (a * b)) * chance).sum())


def _pairs(count: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(count * (count - 1) / 2, np.float64)
