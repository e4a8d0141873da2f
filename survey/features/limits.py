"""Upper limits: what the true flux of a measured line or band is below.

A flux is not negative and its error is normal, so given the measured value the true one has a
normal distribution cut off at zero, from which `survey.classes.perturb` draws as well. The limit is
its quantile

    limit = F - sigma * z(alpha * Phi(F / sigma)),    alpha = 2 Phi(-s)

of probability 1 - alpha, 99.7% for s = 3. With F = 0 it is s * sigma; far above zero it is
F + 2.78 sigma. As Phi < 1, it is never below F - sigma * z(alpha), the one-sided confidence limit.
So no true flux exceeds it more often than in alpha of all measurements. s * sigma alone, whatever F
is, is exceeded by every second line of a true flux of s * sigma.

Source: the limit for a bounded physical region with a uniform prior, Particle Data Group, Review of
Particle Physics, "Statistics", section "Upper limits on mean of a Gaussian near a boundary".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtri_exp


def upper_limit(flux: ArrayLike, error: ArrayLike, sigma: float) -> NDArray[np.float64]:
    """Limits that true fluxes are below with a probability of 1 - 2 Phi(-sigma).

    Parameters
    ----------
    flux, error : arrays of one shape
        As measured, also negative, and standard errors.
    sigma : float
        Limit for a measured flux of zero, in units of its error.
    """
    flux, error = np.asarray(flux, dtype=np.float64), np.asarray(error, dtype=np.float64)
    # Logarithms: the area of the tail underflows far below zero.
    log_tail = np.log(2.0) + log_ndtr(-sigma) + log_ndtr(flux / error)
    return np.asarray(flux - error * ndtri_exp(log_tail))
