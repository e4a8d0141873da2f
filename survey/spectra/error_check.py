"""Whether the errors of a cube can be errors: compared with the noise that was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from survey.spectra.medians import masked_median
from survey.spectra.noise import SIGMA_PER_CLIPPED_MAD, high_pass

LARGEST_RATIO = 100.0
"""Errors of pipelines are up to 25 times too small (MRS); beyond this, something else is wrong."""

_LIKE_A_VARIANCE = 2.0
_VARIANCE_RANGE = (0.1, 1000.0)
"""Noise squared over variance: 1 if it is right, 625 if its root is 25 times too small."""

_FEWEST = 30
_SMALLEST_RANGE = 1.5
_LEAST_CORRELATION = 0.8
_STEEPEST = 1.45
"""Slope of log error on log noise above which errors are no standard deviations.

It is 0.7 to 1.2 in cubes of MRS, MUSE and SAMI, over spaxels and over planes, where noise and error
are correlated as well as above; of their variances it is twice that.
"""

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def doubt_about_errors(
    error_ratio: NDArray[np.float64],
    noise: NDArray[np.float64],
    *,
    given: bool,
    planes: Pair | None = None,
) -> str | None:
    """What is wrong with the errors of a cube, or None.

    Parameters
    ----------
    error_ratio : array (n,)
        Measured noise over the median error of every spaxel; NaN where no error is positive.
    noise : array (n,)
        Measured noise, in the unit of the flux.
    given : bool
        Whether the cube has errors at all.
    planes : pair of arrays (L,), optional
        Measured noise and median error of every plane, see `noise_of_planes`.
    """
    if not given:
        return None
    known = np.isfinite(error_ratio) & (error_ratio > 0) & (noise > 0)
    if not known.any():
        return "none of its errors is positive; the noise is measured from the spectra"
    ratio = float(np.median(error_ratio[known]))
    text = f"the noise measured in its spectra is {ratio:.3g} times its errors"
    variance_like = float(np.median(noise[known] * error_ratio[known]))  # noise squared over error
    if not 1 / LARGEST_RATIO <= ratio <= LARGEST_RATIO:
        if 1 / _LIKE_A_VARIANCE <= variance_like <= _LIKE_A_VARIANCE:
            return f"{text}, which are near the squares of the noise: they may be variances"
        return f"{text}: look at their unit"
    spaxels = (noise[known], noise[known] / error_ratio[known])
    slopes = _slopes([spaxels] if planes is None else [spaxels, planes])
    if not slopes:
        return None
    if max(slopes) < 0:
        return f"{text}, and they are small where the noise is large: they may be weights"
    if min(slopes) > _STEEPEST and _VARIANCE_RANGE[0] <= variance_like <= _VARIANCE_RANGE[1]:
        power = f"{np.mean(slopes):.1f}"
        return f"{text}, and they grow as its power {power}: they may be variances"
    return None


def noise_of_planes(
    flux: NDArray[np.floating], error: NDArray[np.floating], bad: NDArray[np.bool_]
) -> Pair:
    """Noise of every plane, measured over spaxels, and the median of their errors.

    Parameters
    ----------
    flux, error, bad : arrays (n, L)
        Of some spaxels of the cube as it is.

    Returns
    -------
    pair of arrays
        NaN for planes without data; the planes at both ends are left out.
    """
    used = np.where(bad, np.nan, flux)
    high = np.abs(high_pass(used))
    cut = (flux.shape[1] - high.shape[1]) // 2
    errors = np.where(bad, np.nan, error)[:, cut : cut + high.shape[1]]
    return _median_of_columns(high) * SIGMA_PER_CLIPPED_MAD, _median_of_columns(errors)


def _median_of_columns(values: NDArray[np.floating]) -> NDArray[np.float64]:
    columns = values.T
    return masked_median(columns, np.isfinite(columns))


def _slopes(pairs: Sequence[Pair]) -> list[float]:
    """Slopes of log error on log noise, of those samples that tell one.

    They are ratios of widths (reduced major axis), since both have errors.
    """
    slopes = []
    for noise, error in pairs:
        with np.errstate(invalid="ignore"):
            known = (noise > 0) & (error > 0) & np.isfinite(noise) & np.isfinite(error)
        if np.count_nonzero(known) < _FEWEST:
            continue
        x, y = np.log(noise[known]), np.log(error[known])
        width_x, width_y = (np.subtract(*np.percentile(values, [95, 5])) for values in (x, y))
        if width_x < np.log(_SMALLEST_RANGE) or width_y == 0:
            continue
        correlation = float(np.corrcoef(x, y)[0, 1])
        if abs(correlation) >= _LEAST_CORRELATION:
            slopes.append(float(np.sign(correlation) * width_y / width_x))
    return slopes
