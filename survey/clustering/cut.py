"""Where the dendrogram is cut: how many clusters a galaxy is divided into.

The rule is an entry of `CRITERIA`, chosen in the settings. Its curve, its choice and the runner-up
are recorded with the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from survey.clustering.criteria import INDICES, CutProblem, Labels, Tree, partition
from survey.clustering.pair_sums import Pairs, as_pairs
from survey.config import CutSettings


@dataclass(frozen=True)
class Cut:
    """A partition of the spaxels, and how it was chosen.

    Parameters
    ----------
    labels : (n,) array of int32
        Cluster of every spaxel, 1..k, by decreasing median brightness of the spaxels.
    k : int
        Number of clusters.
    criterion : str
        Key of `CRITERIA`.
    curve : dict of (m,) arrays
        The values that the criterion compared, against its column ``"k"``; empty for a fixed
        number.
    runner_up : int or None
        The second choice.
    """

    labels: Labels
    k: int
    criterion: str
    curve: dict[str, NDArray[np.float64]]
    runner_up: int | None


def choose_cut(
    tree: Tree,
    distances: Pairs | NDArray[np.floating],
    settings: CutSettings,
    *,
    brightness: NDArray[np.floating],
    relink: Callable[[NDArray[np.floating]], Tree],
    snr_of_labels: Callable[[Labels], NDArray[np.floating]],
) -> Cut:
    """Choose the number of clusters by ``settings.criterion`` and cut.

    Parameters
    ----------
    tree : (n-1, 4) array
        Merges in order of height, in the format of SciPy.
    distances : Pairs or (n (n-1) / 2,) array
        Squared minimised distances, an array in SciPy's order.
    settings : CutSettings
    brightness : (n,) array
        Surface brightness of the spaxels, by which clusters are numbered.
    relink : callable
        Makes a tree from condensed squared distances as `tree` was made; used on subsamples.
    snr_of_labels : callable
        S/N of every cluster of a partition with labels 1..k.

    Returns
    -------
    Cut
        With fewer clusters than asked for where there are not enough spaxels.
    """
    problem = CutProblem(tree, as_pairs(distances), _candidates(settings, len(tree) + 1), relink)
    choice = CRITERIA[settings.criterion](problem, settings, snr_of_labels)
    labels = _number_by_brightness(partition(tree, choice.k), brightness)
    return Cut(labels, choice.k, settings.criterion, choice.curve, choice.runner_up)


def _candidates(settings: CutSettings, size: int) -> NDArray[np.intp]:
    return np.arange(settings.k_min, min(settings.k_max, size - 1) + 1)


def _number_by_brightness(labels: Labels, brightness: NDArray[np.floating]) -> Labels:
    medians = [np.median(brightness[labels == label]) for label in range(labels.max() + 1)]
    number = np.empty(len(medians), dtype=np.int32)
    number[np.argsort(medians, kind="stable")[::-1]] = np.arange(1, len(medians) + 1)
    return number[labels]


@dataclass(frozen=True)
class _Choice:
    k: int
    curve: dict[str, NDArray[np.float64]]
    runner_up: int | None


SnrOfLabels = Callable[[Labels], NDArray[np.floating]]


def _fixed(problem: CutProblem, settings: CutSettings, snr_of_labels: SnrOfLabels) -> _Choice:
    return _Choice(min(settings.k, problem.size), {}, None)


def _largest_with_snr(
    problem: CutProblem, settings: CutSettings, snr_of_labels: SnrOfLabels
) -> _Choice:
    """The most clusters that all reach the target S/N; one if not even the whole galaxy does."""
    ks = np.arange(1, min(settings.k_max, problem.size) + 1)
    lowest = np.array([snr_of_labels(partition(problem.tree, int(k)) + 1).min() for k in ks])
    reached = ks[lowest >= settings.target_snr][::-1]
    k = int(reached[0]) if len(reached) else 1
    runner_up = int(reached[1]) if len(reached) > 1 else None
    return _Choice(k, {"k": ks.astype(float), "lowest_snr": lowest.astype(float)}, runner_up)


def _best_mean_rank(
    problem: CutProblem, settings: CutSettings, snr_of_labels: SnrOfLabels
) -> _Choice:
    """The best mean rank over the indices that vote; of equal ranks, the fewest clusters."""
    if not len(problem.ks):
        return _Choice(1, {}, None)
    curve = {index.name: index.curve(problem) for index in INDICES}
    ranks = [
        rankdata(-curve[index.name] if index.better == "larger" else curve[index.name])
        for index in INDICES
        if index.votes
    ]
    mean_rank = np.mean(ranks, axis=0)
    order = [int(k) for k in problem.ks[np.argsort(mean_rank, kind="stable")]]
    curve = {"k": problem.ks.astype(float), **curve, "mean_rank": mean_rank}
    return _Choice(order[0], curve, order[1] if len(order) > 1 else None)


CRITERIA: dict[str, Callable[[CutProblem, CutSettings, SnrOfLabels], _Choice]] = {
    "fixed": _fixed,
    "snr": _largest_with_snr,
    "auto": _best_mean_rank,
}
"""The rules by which a number of clusters may be chosen."""
