"""Whether the errors of a cube can be errors: compared with the noise that was measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST_RATIO = 100.0
"""Errors of pipelines are up to 25 times too small (MRS); beyond this, something else is wrong."""

_LIKE_A_VARIANCE = 2.0


def doubt_about_errors(
    error_ratio: NDArray[np.float64], noise: NDArray[np.float64], *, given: bool
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
    """
    if not given:
        return None
    known = np.isfinite(error_ratio) & (error_ratio > 0) & (noise > 0)
    if not known.any():
        return "none of its errors is positive; the noise is measured from the spectra"
    ratio = float(np.median(error_ratio[known]))
    if 1 / LARGEST_RATIO <= ratio <= LARGEST_RATIO:
        return None
    variance_like = float(np.median(noise[known] * error_ratio[known]))  # noise squared over error
    text = f"the noise measured in its spectra is {ratio:.3g} times its errors"
    if 1 / _LIKE_A_VARIANCE <= variance_like <= _LIKE_A_VARIANCE:
        return f"{text}, which are near the squares of the noise: they may be variances"
    return f"{text}: look at their unit"
