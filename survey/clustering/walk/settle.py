"""What is done with the clusters that the walk has found: join those alike, dissolve blends."""

from __future__ import annotations

import numpy as np

from survey.clustering.walk.aligned import AlignedSpectra, MeanSpectrum, Members
from survey.clustering.walk.blends import larger_share, nearest_blends
from survey.clustering.walk.decisions import Decision
from survey.clustering.walk.split_tests import Difference, Rules, compare


def join_alike(
    groups: list[Members],
    spectra: AlignedSpectra,
    rules: Rules,
    least: float,
    *,
    at_most: int | None = None,
) -> tuple[list[Members], list[Decision]]:
    """Join clusters, the most alike first.

    Parameters
    ----------
    groups : list of arrays of int
    spectra : AlignedSpectra
    rules : Rules
    least : float
        Least relative difference of two clusters.
    at_most : int, optional
        Join until so many are left. By default, join those that fail the tests.
    """
    alive: dict[int, tuple[Members, MeanSpectrum]] = {
        name: (group, spectra.mean(group)) for name, group in enumerate(groups)
    }
    known: dict[tuple[int, int], Difference] = {}
    decisions = []
    while len(alive) > (at_most or 1):
        candidates = []
        for pair in ((a, b) for a in alive for b in alive if a < b):
            if pair not in known:
                means = alive[pair[0]][1], alive[pair[1]][1]
                known[pair] = compare(*means, spectra.max_shift)
            reason = "limit" if at_most else known[pair].failed_test(rules, least)
            if reason:
                candidates.append((known[pair].shape, pair, reason))
        if not candidates:
            break
        _, pair, reason = min(candidates)
        decisions.append(Decision("join", reason, known[pair]))
        (one, mean), (other, other_mean) = (alive.pop(name) for name in pair)
        # A new number: what is known of the old ones does not hold for it.
        number = max((*alive, *pair)) + 1
        alive[number] = np.concatenate([one, other]), mean + other_mean
    return [group for group, _ in alive.values()], decisions


def dissolve_blends(
    groups: list[Members], spectra: AlignedSpectra, rules: Rules, least: float
) -> tuple[list[Members], list[Decision]]:
    """Give the spaxels of clusters that are blends of two others to these."""
    groups = list(groups)
    means = [spectra.mean(group) for group in groups]
    decisions: list[Decision] = []
    while len(groups) > 2:
        blends = nearest_blends(means, rules, spectra.max_shift)
        judged = [
            Decision("blend", blend.difference.failed_test(rules, least), blend.difference)
            for blend in blends
        ]
        failed = next((k for k, decision in enumerate(judged) if not decision.accepted), None)
        if failed is None:
            return groups, decisions + judged
        blend = blends[failed]
        decisions.append(judged[failed])
        first, second = blend.parents
        to_first = larger_share(spectra, groups[blend.cluster], (means[first], means[second]))
        for parent, chosen in ((first, to_first), (second, ~to_first)):
            groups[parent] = np.concatenate([groups[parent], groups[blend.cluster][chosen]])
            means[parent] = spectra.mean(groups[parent])
        del groups[blend.cluster], means[blend.cluster]
    return groups, decisions
