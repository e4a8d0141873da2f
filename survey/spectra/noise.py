"""Noise measured from the spectra themselves.

The errors that come with MIRI/MRS cubes are 2 to 25 times too small, so the scatter is
measured. Second differences of samples `m` apart,

    d[k] = x[k] - (x[k-m] + x[k+m]) / 2,        var d = sigma^2 (3 - 4 r_m + r_2m) / 2,

remove any straight piece of continuum, and most of the broad PAH bands with it. Resampling has
correlated neighbouring planes (r_1 of about 0.2 in MRS channel 4 and in MUSE), so that m = 1
gives a sigma too small by 8 to 16 per cent. At m = 3 the correlation is gone and
sigma^2 = var d / 1.5; longer differences only see more of lines and fringes. Lines are clipped
as outliers, and the median absolute deviation is robust against the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.spectra.medians import leading_median, sort_valid

LAG = 3
"""Distance in samples of the differences, beyond the reach of the spectral correlation."""

CLIP_SIGMA = 3.0
"""Differences further out than this belong to lines and are left out."""

SIGMA_PER_CLIPPED_MAD = 1.487282
"""Standard deviation of a normal distribution over its median deviation inside 3 sigma."""

MIN_SAMPLES = 5 * LAG
"""The noise of a shorter spectrum cannot be measured."""

STRETCH = 64
"""Samples over which the noise is assumed constant: many, so that no line counts as noise."""

_CLIP_ROUNDS = 3


def spectral_noise(
    flux: NDArray[np.floating], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Standard deviation of one sample, for every spectrum.

    Structure narrower than about six samples that is not noise, like the absorption lines of
    a stellar population at high S/N, counts as noise where it fills most of the spectrum.

    Parameters
    ----------
    flux : (n, L) array of float
        At least `MIN_SAMPLES` long.
    valid : (n, L) array of bool, optional
        False for samples that were not measured, as filled gaps; by default those not finite.

    Returns
    -------
    (n,) array of float64
        In the unit of `flux`; NaN where too few samples are valid.
    """
    if valid is None:
        valid = np.isfinite(flux)
    usable = valid[:, LAG:-LAG] & valid[:, : -2 * LAG] & valid[:, 2 * LAG :]
    ordered, count = sort_valid(np.abs(high_pass(flux)), usable)
    for _ in range(_CLIP_ROUNDS):
        limit = CLIP_SIGMA * SIGMA_PER_CLIPPED_MAD * leading_median(ordered, count)
        # The rows are sorted: to clip is to count.
        count = (ordered <= limit[:, None]).sum(axis=1)
    return SIGMA_PER_CLIPPED_MAD * leading_median(ordered, count)


def noise_at_precision(
    flux: NDArray[np.floating], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """`spectral_noise`, but never below the precision of the numbers of a cube.

    No spectrum is better than the precision it was stored with; S/N and weights of constant
    spectra stay finite.
    """
    rounding = np.finfo(np.float32).eps * np.abs(flux).max(axis=1)
    return np.maximum(spectral_noise(flux, valid), rounding)


def local_noise(flux: NDArray[np.floating]) -> NDArray[np.float64]:
    """Standard deviation of one sample in every stretch of `STRETCH` samples.

    Parameters
    ----------
    flux : (n, L) array of float, finite

    Returns
    -------
    (n, L) array of float64
        The same value for all samples of a stretch; the last one takes what is left over.
    """
    n, size = flux.shape
    edges = np.arange(max(size // STRETCH, 1)) * STRETCH
    lengths = np.diff(np.append(edges, size))
    per_stretch = np.empty((n, len(edges)))
    for column, (start, length) in enumerate(zip(edges, lengths, strict=True)):
        per_stretch[:, column] = spectral_noise(flux[:, start : start + length])
    return np.repeat(per_stretch, lengths, axis=1)


def high_pass(flux: NDArray[np.floating]) -> NDArray[np.floating]:
    """Second differences along the last axis, scaled to the variance of one sample.

    The result is shorter by `LAG` samples at either end.
    """
    difference = flux[..., LAG:-LAG] - 0.5 * (flux[..., : -2 * LAG] + flux[..., 2 * LAG :])
    return difference * flux.dtype.type(np.sqrt(1 / 1.5))
