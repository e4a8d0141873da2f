"""Latents as they would be at equal counts: what brightness makes of latents is taken out again.

A faint spectrum has noise in its latents, or is shrunk towards the mean: so latents tell the counts
of a spectrum, which are no property of its source. Thinned spectra of known sources show what fewer
counts do to the same sources. From one number of counts to the next, those sources that have so
many are thinned to both; the distribution of their latents at the fewer counts is mapped onto that
at the more: mean and covariance first, by the map that moves normal distributions the least
(optimal transport; Dowson & Landau 1982), then each latent by its quantiles. These steps are taken
up to the largest number of counts. Both sides of a step are of the same sources, so that a class of
bright sources stays one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from survey.latents.grid import Floats
from survey.latents.spectra import SpectrumSet
from survey.latents.thinning import split

FEWEST_COUNTS = 30.0
KNOT_DEX = 0.4
COPIES = 3
"""Thinned copies of each spectrum at each number of counts."""

FEWEST_AT_KNOT = 40
"""Spectra that have as many counts; five for each latent if that is more."""

MOST_SHARE = 0.98
QUANTILES = np.linspace(0.01, 0.99, 41)
SINGULAR = 1e-4
"""Variances below this share of the largest are not blown up."""

Encode = Callable[[SpectrumSet], Floats]


@dataclass(frozen=True, eq=False)
class EqualCounts:
    """Steps between m numbers of counts, for k latents; the last number is the reference.

    Attributes
    ----------
    log_counts : array (m,)
        log10 of the counts of a spectrum, background included.
    means : array (m - 1, 2, k)
        Mean latents at the fewer and at the more counts of each step.
    maps : array (m - 1, k, k)
    quantiles : array (m - 1, 2, q, k)
        Of the latents that are mapped so, and of those at the more counts.
    """

    log_counts: Floats
    means: Floats
    maps: Floats
    quantiles: Floats

    @classmethod
    def of(cls, encode: Encode, spectra: SpectrumSet, seed: int) -> EqualCounts | None:
        """Learn from spectra of counts; None if they are too few.

        Parameters
        ----------
        encode : callable
            Makes latents (n, k) of spectra.
        spectra : SpectrumSet
        seed : int
        """
        rng = np.random.default_rng([seed, 5])
        k = encode(spectra.rows(np.arange(min(2, len(spectra))))).shape[1]
        knots = _knots(spectra.totals, k)
        if len(knots) < 2:
            return None
        thinned = [_thinned_to(encode, spectra, counts, rng) for counts in 10**knots]
        means, maps, quantiles = [], [], []
        for (fewer, rows), (more, kept) in pairwise(thinned):
            same = fewer[:, np.isin(rows, kept)].reshape(-1, k)
            more = more.reshape(-1, k)
            step = _transport(np.cov(same.T, ddof=0), np.cov(more.T, ddof=0))
            means.append(np.stack([same.mean(axis=0), more.mean(axis=0)]))
            maps.append(step)
            moved = means[-1][1] + (same - means[-1][0]) @ step.T
            quantiles.append(np.stack([np.quantile(one, QUANTILES, axis=0)
                                       for one in (moved, more)]))  # fmt: skip
        return cls(knots, np.stack(means), np.stack(maps), np.stack(quantiles))

    def apply(self, latents: Floats, counts: Floats) -> Floats:
        """Latents (n, k) at equal counts, of those of spectra with these counts (n,)."""
        share = _shares(np.log10(counts + 1), self.log_counts)
        out = share[:, -1:] * latents
        for first in range(len(self.maps)):
            rows = share[:, first] > 0
            moved = latents[rows]
            for step in range(first, len(self.maps)):
                moved = self._stepped(moved, step)
            out[rows] += share[rows, first : first + 1] * moved
        return np.asarray(out)

    def _stepped(self, latents: Floats, step: int) -> Floats:
        """Latents (n, k) of one number of counts as they would be at the next."""
        before, after = self.means[step]
        moved = after + (latents - before) @ self.maps[step].T
        own, wanted = self.quantiles[step]
        columns = [_mapped(moved[:, j], own[:, j], wanted[:, j]) for j in range(moved.shape[1])]
        return np.stack(columns, axis=1)


def _thinned_to(
    encode: Encode, spectra: SpectrumSet, counts: float, rng: np.random.Generator
) -> tuple[Floats, np.ndarray]:
    """Latents (c, r, k) of c copies of the r spectra that have so many counts, and their rows."""
    rows = np.flatnonzero(spectra.totals >= counts)
    bright = spectra.rows(rows)
    share = np.minimum(MOST_SHARE, counts / bright.totals)
    copies = [encode(split(bright, share, rng)[0]) for _ in range(COPIES)]
    return np.stack(copies), rows


def _knots(counts: Floats, k: int) -> Floats:
    """Places in log10 of counts, as long as enough spectra have as many."""
    needed = max(FEWEST_AT_KNOT, 5 * k)
    if len(counts) < needed:
        return np.zeros(0)
    low, high = np.log10(FEWEST_COUNTS), np.log10(np.sort(counts)[-needed])
    return np.asarray(np.arange(low, high, KNOT_DEX))


def _shares(log_counts: Floats, knots: Floats) -> Floats:
    """Weights (n, m) of linear interpolation between knots; the ends go on beyond them."""
    place = np.interp(log_counts, knots, np.arange(len(knots)))
    return np.maximum(0.0, 1 - np.abs(place[:, np.newaxis] - np.arange(len(knots))))


def _transport(own: Floats, wanted: Floats) -> Floats:
    """The symmetric map (k, k) that gives latents of one covariance another one."""
    root, inverse = _roots(own)
    return np.asarray(inverse @ _roots(root @ wanted @ root, least=0.0)[0] @ inverse)


def _roots(matrix: Floats, least: float = SINGULAR) -> tuple[Floats, Floats]:
    """The square root of a covariance (k, k), and its inverse."""
    values, vectors = np.linalg.eigh(np.atleast_2d(matrix))
    values = np.maximum(values, max(least * float(values[-1]), 1e-300))
    return (vectors * np.sqrt(values)) @ vectors.T, (vectors / np.sqrt(values)) @ vectors.T


def _mapped(values: Floats, own: Floats, wanted: Floats) -> Floats:
    """Values moved from quantiles to others; those beyond are shifted like the outermost."""
    inside = np.clip(values, own[0], own[-1])
    rising = own + 1e-12 * (1 + np.abs(own)) * np.arange(len(own))
    return np.interp(inside, rising, wanted) + (values - inside)
