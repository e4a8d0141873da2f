"""The walk down the tree: which of its splits are real.

From the root, every split is tested. A side that is too small or too noisy to be a cluster goes to
the nearest cluster below its sibling. Below a split that fails a test a few more levels are looked
at, since a tree may put together late what it should have kept apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.clustering.criteria import Tree
from survey.clustering.walk.aligned import AlignedSpectra, MeanSpectrum, Members
from survey.clustering.walk.decisions import Decision
from survey.clustering.walk.split_tests import Difference, Reason, Rules, compare


class Descent:
    """The walk down one tree.

    Parameters
    ----------
    tree : (n-1, 4) array
        In the format of SciPy.
    spectra : AlignedSpectra
        Of the n spaxels.
    at_edge : (n,) array of bool
        Spaxels near the edge of the field.
    rules : Rules
    least : float
        Least relative difference of two clusters.

    Attributes
    ----------
    decisions : list of Decision
        In the order in which they were made.
    """

    def __init__(
        self,
        tree: Tree,
        spectra: AlignedSpectra,
        at_edge: NDArray[np.bool_],
        rules: Rules,
        least: float,
    ) -> None:
        self.tree, self.spectra, self.at_edge = tree, spectra, at_edge
        self.rules, self.least = rules, least
        self.decisions: list[Decision] = []
        self._order, self._first = leaf_order(tree)
        self._means: dict[int, MeanSpectrum] = {}

    def groups(self, mean: MeanSpectrum) -> list[Members]:
        """Spaxels of every cluster, by the mean of all; one group if no split is real."""
        root = 2 * len(self.tree)
        self._means[root] = mean
        return self._below(root, rejected=0)

    def _below(self, top: int, rejected: int) -> list[Members]:
        """Clusters below a node, of which so many parents in a row failed a test."""
        node, asides = top, []
        while True:
            sides = self._children(node)
            if self._size(node) < 2 * self.rules.min_spaxels:
                return [self._members(top)]
            is_cluster, difference = self._judge(node, sides)
            if all(is_cluster):
                break
            if not any(is_cluster):
                return [self._members(top)]
            kept, aside = sides if is_cluster[0] else sides[::-1]
            self._mean_below(kept, node)
            asides.append(self._members(aside))
            node = kept
        assert difference is not None  # where both sides are large enough
        reason = difference.failed_test(self.rules, self.least)
        self._record(node, reason, difference)
        if reason and rejected >= self.rules.depth:
            return [self._members(top)]
        rejected = rejected + 1 if reason else 0
        found = [group for side in sides for group in self._below(side, rejected)]
        if reason and len(found) == 2:
            return [self._members(top)]
        return self._with(found, asides[::-1])

    def _judge(
        self, node: int, sides: tuple[int, int]
    ) -> tuple[tuple[bool, bool], Difference | None]:
        """Whether either side can be a cluster; how they differ, if both are large enough."""
        left, right = sides
        large = tuple(self._size(side) >= self.rules.min_spaxels for side in sides)
        if not all(large):
            return (large[0], large[1]), None
        means = self._mean_below(left, node), self._mean_below(right, node)
        difference = compare(*means, self.spectra.max_shift)
        judged = (
            self._is_measured(left, difference.snr[0], difference.peak),
            self._is_measured(right, difference.snr[1], difference.peak),
        )
        if not all(judged):
            self._record(node, "S/N", difference)
        return judged, difference

    def _is_measured(self, node: int, snr: float, peak: float) -> bool:
        rules = self.rules
        least = rules.min_snr_lines if peak >= rules.line_peak else rules.min_snr
        if snr < least or snr >= rules.min_snr_edge:
            return snr >= least
        return bool(self.at_edge[self._members(node)].mean() <= rules.max_edge_fraction)

    def _with(self, groups: list[Members], asides: list[Members]) -> list[Members]:
        """Groups with each of the small ones added to the nearest."""
        if not asides:
            return groups
        means = [self.spectra.mean(group) for group in groups]
        parts = [[group] for group in groups]
        for aside in asides:
            values = self.spectra.mean(aside).values
            distances = [np.square(values - m.values).sum() - m.noise_energy for m in means]
            parts[int(np.argmin(distances))].append(aside)
        return [np.concatenate(group) for group in parts]

    def _mean_below(self, node: int, parent: int) -> MeanSpectrum:
        """The mean of a child; that of the larger child is what the smaller leaves."""
        if node not in self._means:
            small, large = sorted(self._children(parent), key=self._size)
            self._means[small] = self.spectra.mean(self._members(small))
            self._means[large] = self._means[parent] - self._means[small]
        return self._means[node]

    def _members(self, node: int) -> Members:
        first = self._first[node]
        return self._order[first : first + self._size(node)]

    def _size(self, node: int) -> int:
        n = len(self.tree) + 1
        return 1 if node < n else int(self.tree[node - n, 3])

    def _children(self, node: int) -> tuple[int, int]:
        left, right = self.tree[node - len(self.tree) - 1, :2]
        return int(left), int(right)

    def _record(self, node: int, reason: Reason, difference: Difference) -> None:
        height = float(self.tree[node - len(self.tree) - 1, 2])
        self.decisions.append(Decision("split", reason, difference, node, height))


def leaf_order(tree: Tree) -> tuple[Members, NDArray[np.intp]]:
    """Leaves such that those below any node are neighbours, and where those of a node begin.

    Returns
    -------
    order : (n,) array of int
    first : (2n-1,) array of int
        Place in `order` of the first leaf below every node.
    """
    n = len(tree) + 1
    size = np.concatenate([np.ones(n), tree[:, 3]]).astype(np.intp)
    children = tree[:, :2].astype(np.intp)
    first = np.zeros(2 * n - 1, np.intp)
    for row in range(n - 2, -1, -1):
        left, right = children[row]
        first[left] = first[n + row]
        first[right] = first[n + row] + size[left]
    order = np.empty(n, np.intp)
    order[first[:n]] = np.arange(n)
    return order, first
