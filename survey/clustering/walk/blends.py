"""Clusters that are only blends of two others.

A point-spread function spreads the light of a nucleus over its surroundings, and lines of sight
pass through more than one kind of gas. Spaxels with equal shares of two spectra are a branch of the
tree like any other: a ring around a nucleus, for instance, or the border of two regions. A cluster
whose mean spectrum is such a blend is none, and its spaxels go to the one of the two of which they
have more.

It is the rule of Hermosa Munoz et al. that a new cluster which is only a concentric ring is not
kept, without a condition on where the spaxels lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from survey.clustering.walk.aligned import AlignedSpectra, MeanSpectrum, Members
from survey.clustering.walk.split_tests import Difference, Rules, compare


@dataclass(frozen=True)
class Blend:
    """A cluster, the two others that it may be a blend of, and how it differs from the blend."""

    cluster: int
    parents: tuple[int, int]
    difference: Difference


def nearest_blends(means: list[MeanSpectrum], rules: Rules, max_shift: int) -> list[Blend]:
    """For every cluster the nearest blend of two others, where there is one; most alike first."""
    ends = np.stack([mean.values for mean in means])
    gram = ends @ ends.T
    found = []
    for cluster in range(len(means)):
        others = [k for k in range(len(means)) if k != cluster]
        options = []
        for pair in combinations(others, 2):
            shares, residual = _two_shares(gram, cluster, pair)
            if shares.min() >= rules.min_share * shares.sum():
                options.append((residual, pair, shares))
        if options:
            _, pair, shares = min(options, key=lambda option: option[0])
            blend = _blend(shares, [means[k] for k in pair])
            difference = compare(means[cluster], blend, max_shift)
            found.append(Blend(cluster, pair, difference))
    return sorted(found, key=lambda blend: blend.difference.shape)


def larger_share(
    spectra: AlignedSpectra,
    members: Members,
    parents: tuple[MeanSpectrum, MeanSpectrum],
) -> NDArray[np.bool_]:
    """Which members have more of the first parent than of the second, by least squares."""
    ends = np.stack([parent.values for parent in parents])
    gram = ends @ ends.T
    more = np.empty(len(members), dtype=bool)
    start = 0
    for chosen, aligned in spectra.blocks(members):
        shares = np.linalg.solve(gram, ends @ aligned.T.astype(np.float64))
        more[start : start + len(chosen)] = shares[0] >= shares[1]
        start += len(chosen)
    return more


def _two_shares(
    gram: NDArray[np.float64], cluster: int, pair: tuple[int, int]
) -> tuple[NDArray[np.float64], float]:
    """Least-squares shares of two spectra in a third, and the squared residual."""
    inner = gram[np.ix_(pair, pair)]
    product = gram[list(pair), cluster]
    shares = np.linalg.solve(inner, product).astype(np.float64)
    return shares, float(gram[cluster, cluster] - shares @ product)


def _blend(shares: NDArray[np.float64], means: list[MeanSpectrum]) -> MeanSpectrum:
    values = sum(share * mean.values for share, mean in zip(shares, means, strict=True))
    noise = sum(share**2 * mean.noise_energy for share, mean in zip(shares, means, strict=True))
    return MeanSpectrum(sum(mean.n for mean in means), 1.0, np.asarray(values), float(noise))
