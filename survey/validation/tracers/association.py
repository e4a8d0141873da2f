"""How much clusters and the values of a map have to do with each other, spaxel by spaxel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.validation.agreement import Labels, contingency


def adjusted_mutual_information(first: Labels, second: Labels) -> float:
    """Adjusted mutual information of two partitions of the same spaxels.

    Vinh, Epps & Bailey (2010), Journal of Machine Learning Research 11, 2837, normalised by the
    mean of the entropies: 1 for equal partitions, about 0 for unrelated ones, whatever the number
    and the sizes of the classes. 0 if one of them has one class.

    Parameters
    ----------
    first, second : (n,) arrays of int
        Classes from 1; 0 is left out.
    """
    table = contingency(first, second)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    if min(table.shape) < 2:
        return 0.0
    from sklearn.metrics.cluster import expected_mutual_information  # slow to load

    n = int(table.sum())
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    together, apart = table / n, np.outer(rows, columns) / n**2
    filled = table > 0
    information = float(np.sum(together[filled] * np.log(together[filled] / apart[filled])))
    expected = float(expected_mutual_information(table, n))
    entropy = (_entropy(rows / n) + _entropy(columns / n)) / 2
    room = max(entropy - expected, np.finfo(float).eps)
    return (information - expected) / room


def _entropy(shares: NDArray[np.float64]) -> float:
    return float(-np.sum(shares * np.log(shares)))


def eta_squared(labels: Labels, values: NDArray[np.float64]) -> float:
    """Share of the variance of values that the means of their clusters explain.

    Of ranks it is H / (n - 1) with the H of Kruskal & Wallis (1952), Journal of the American
    Statistical Association 47, 583. Unrelated values give about (k - 1) / (n - 1). 0 if all values
    are equal.

    Parameters
    ----------
    labels : (n,) array of int
        Clusters from 1.
    values : (n,) array
    """
    count = np.bincount(labels)
    total = np.bincount(labels, values)
    mean = values.mean()
    whole = float(np.sum((values - mean) ** 2))
    if whole == 0:
        return 0.0
    filled = count > 0
    between = np.sum(count[filled] * (total[filled] / count[filled] - mean) ** 2)
    return float(between) / whole


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Pearson's correlation; of ranks it is Spearman's. 0 if one is constant."""
    first, second = first - first.mean(), second - second.mean()
    size = np.sqrt(np.sum(first**2) * np.sum(second**2))
    return float(np.sum(first * second) / size) if size > 0 else 0.0


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks (n,) of values from 1; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place], np.float64)


def without_means(labels: Labels, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (n,) less the mean of their cluster."""
    mean = np.bincount(labels, values) / np.maximum(np.bincount(labels), 1)
    return np.asarray(values - mean[labels], np.float64)
