"""The expected background of counted spectra, from few counts and the shape of all backgrounds.

A background region often has less than one count per bin, so its counts alone would give a
background of zero in most bins. Backgrounds of one instrument are similar, so each is shrunk
towards the common shape: counts c of a region with C in total come from rates with a gamma prior of
mean C g, and the posterior mean is

    C (c + K g) / (C + K)

with the common shape g and a strength K found by maximising the likelihood of all regions
(Dirichlet-multinomial; Minka 2000, "Estimating a Dirichlet distribution").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from survey.latents.grid import Floats
from survey.latents.spectra import SpectrumSet

LOG_STRENGTH_RANGE = (0.0, 14.0)
"""Natural logarithm of the counts that the common shape is worth."""

MOST_REGIONS = 2000
"""Most regions from which the strength is found, evenly chosen."""


@dataclass(frozen=True, eq=False)
class BackgroundModel:
    """What the backgrounds of a set have in common.

    Attributes
    ----------
    shape : array (p,)
        Common shape g, which sums to one; zero throughout where no background is known.
    strength : float
        Counts K that it is worth.
    """

    shape: Floats
    strength: float

    @classmethod
    def of(cls, spectra: SpectrumSet) -> BackgroundModel:
        """Learn from the background regions of a set of counts."""
        counts = spectra.background_counts
        if counts is None or not counts.any():
            return cls(np.zeros(len(spectra.grid)), 1.0)
        shape = counts.sum(axis=0) + 0.5  # no bin is impossible
        shape /= shape.sum()
        step = -(-len(counts) // MOST_REGIONS)
        regions, usable = counts[::step], spectra.mask[::step]

        def minus_log_likelihood(log_strength: float) -> float:
            return -_log_likelihood(regions, usable, shape, np.exp(log_strength))

        best = minimize_scalar(
            minus_log_likelihood, bounds=LOG_STRENGTH_RANGE, method="bounded",
            options={"xatol": 0.05},
        )  # fmt: skip
        return cls(shape, float(np.exp(best.x)))

    def expected(self, spectra: SpectrumSet) -> Floats:
        """Expected background counts (n, p) in the source regions; zero where none is known."""
        counts, scale = spectra.background_counts, spectra.background_scale
        if counts is None or scale is None:
            return np.zeros(spectra.values.shape)
        common = _of_usable(self.shape, spectra.mask)
        total = counts.sum(axis=1, keepdims=True)
        rate = total * (counts + self.strength * common) / (total + self.strength)
        return np.asarray(rate * scale)


def _of_usable(shape: Floats, mask: np.ndarray) -> Floats:
    """The shape in the usable bins of each spectrum, where it sums to one."""
    part = shape * mask
    return np.asarray(part / np.maximum(part.sum(axis=1, keepdims=True), 1e-300))


def _log_likelihood(counts: Floats, mask: np.ndarray, shape: Floats, strength: float) -> float:
    prior = strength * _of_usable(shape, mask)
    total = counts.sum(axis=1)
    terms = np.where(mask, gammaln(counts + prior + 1e-300) - gammaln(prior + 1e-300), 0.0)
    return float(np.sum(gammaln(strength) - gammaln(total + strength)) + np.sum(terms))
