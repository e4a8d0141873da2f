"""Where the dendrogram is cut: how many clusters a galaxy is divided into.

The rule is an entry of `CRITERIA`, chosen in the settings. Its curve or its decisions are recorded
with the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.clustering.criteria import CutProblem, Labels, Tree, partition, silhouette
from survey.clustering.pair_sums import Pairs
from survey.clustering.walk.walk import WalkResult
from survey.config import CutSettings

K_MAX = 12
"""Most clusters that the criteria with a curve try if the settings give no limit."""


@dataclass(frozen=True)
class CutInput:
    """What the criteria may use. What is costly is a function, called where it is needed.

    Parameters
    ----------
    tree : (n-1, 4) array
        Merges in order of height, in the format of SciPy.
    walk : callable
        Walks down the tree between limits of the number of clusters.
    distances : callable
        Squared minimised distances of all spaxels or of a sample.
    snr_of_labels : callable
        S/N of every cluster of a partition with labels 1..k.
    """

    tree: Tree
    walk: Callable[[], WalkResult]
    distances: Callable[[], Pairs]
    snr_of_labels: Callable[[Labels], NDArray[np.floating]]

    @property
    def size(self) -> int:
        """Number of spaxels."""
        return len(self.tree) + 1


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
        The values that the criterion compared, against its column ``"k"``; empty if it has none.
    runner_up : int or None
        The second choice of a criterion with a curve.
    walked : WalkResult or None
        What the walk found; None for other criteria. Its labels are not those of the cut.
    """

    labels: Labels
    k: int
    criterion: str
    curve: dict[str, NDArray[np.float64]]
    runner_up: int | None
    walked: WalkResult | None = None

    @property
    def fractions(self) -> NDArray[np.float32] | None:
        """(n, k) fractions of the clusters 1..k in every spaxel; of the walk only."""
        if self.walked is None:
            return None
        first = [int(np.argmax(self.labels == label)) for label in range(1, self.k + 1)]
        return self.walked.fractions[:, self.walked.labels[first]]


def choose_cut(given: CutInput, settings: CutSettings, *, brightness: NDArray[np.floating]) -> Cut:
    """Divide the spaxels by ``settings.criterion``.

    Parameters
    ----------
    given : CutInput
    settings : CutSettings
    brightness : (n,) array
        Surface brightness of the spaxels, by which clusters are numbered.

    Returns
    -------
    Cut
        With fewer clusters than asked for where there are not enough spaxels.
    """
    choice = CRITERIA[settings.criterion](given, settings)
    labels = _number_by_brightness(choice.labels, brightness)
    return Cut(
        labels,
        int(labels.max()),
        "walk" if settings.criterion == "auto" else settings.criterion,
        choice.curve,
        choice.runner_up,
        choice.walked,
    )


def largest_k(settings: CutSettings) -> int | None:
    """The most clusters that the criterion may choose; None if it has no limit."""
    if settings.criterion == "fixed":
        return None
    curved = settings.criterion in ("silhouette", "snr")
    return settings.k_max or (K_MAX if curved else None)


def _number_by_brightness(labels: Labels, brightness: NDArray[np.floating]) -> Labels:
    medians = [np.median(brightness[labels == label]) for label in range(labels.max() + 1)]
    number = np.empty(len(medians), dtype=np.int32)
    number[np.argsort(medians, kind="stable")[::-1]] = np.arange(1, len(medians) + 1)
    return number[labels]


@dataclass(frozen=True)
class _Choice:
    labels: Labels
    curve: dict[str, NDArray[np.float64]]
    runner_up: int | None = None
    walked: WalkResult | None = None


def _fixed(given: CutInput, settings: CutSettings) -> _Choice:
    return _Choice(partition(given.tree, min(settings.k, given.size)), {})


def _walk(given: CutInput, settings: CutSettings) -> _Choice:
    """The splits of the tree that are real; see `survey.clustering.walk`."""
    found = given.walk()
    return _Choice(found.labels, {}, walked=found)


def _largest_with_snr(given: CutInput, settings: CutSettings) -> _Choice:
    """The most clusters that all reach the target S/N; one if not even the whole galaxy does."""
    ks = np.arange(settings.k_min or 1, min(largest_k(settings) or K_MAX, given.size) + 1)
    lowest = np.array([given.snr_of_labels(partition(given.tree, int(k)) + 1).min() for k in ks])
    reached = ks[lowest >= settings.target_snr][::-1]
    k = int(reached[0]) if len(reached) else int(ks[0])
    return _Choice(
        partition(given.tree, k),
        {"k": ks.astype(float), "lowest_snr": lowest.astype(float)},
        int(reached[1]) if len(reached) > 1 else None,
    )


def _largest_silhouette(given: CutInput, settings: CutSettings) -> _Choice:
    """The largest mean silhouette; it is not defined for one cluster."""
    first, last = max(settings.k_min or 2, 2), min(largest_k(settings) or K_MAX, given.size - 1)
    ks = np.arange(first, last + 1)
    if not len(ks):
        return _Choice(np.zeros(given.size, np.int32), {})
    values = silhouette(CutProblem(given.tree, given.distances(), ks))
    order = [int(k) for k in ks[np.argsort(-values, kind="stable")]]
    return _Choice(
        partition(given.tree, order[0]),
        {"k": ks.astype(float), "silhouette": values},
        order[1] if len(order) > 1 else None,
    )


CRITERIA: dict[str, Callable[[CutInput, CutSettings], _Choice]] = {
    "walk": _walk,
    "auto": _walk,
    "silhouette": _largest_silhouette,
    "snr": _largest_with_snr,
    "fixed": _fixed,
}
"""The rules by which a number of clusters may be chosen; "auto" is another name of "walk"."""
