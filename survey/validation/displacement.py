"""Displacements that all clusters share, as a wrong redshift or wavelength solution makes them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from survey.validation.answers import Answer

FEWEST_CLUSTERS = 2
"""Clusters in which a line must be measured, to say that it is displaced in all."""

MEASURE = "km/s that all clusters share"


def displacement_answers(
    velocities: NDArray[np.float64],
    errors: NDArray[np.float64],
    lines: Mapping[str, NDArray[np.float64]],
) -> list[Answer]:
    """How far all clusters, and single lines in all clusters, are displaced alike.

    Parameters
    ----------
    velocities, errors : (k,) arrays
        Of the clusters against the redshift, km/s; NaN where none was found.
    lines : mapping of (k,) arrays
        Velocities of single lines in the same clusters; NaN where not measured.
    """
    known = np.isfinite(velocities)
    value, error = np.nan, np.nan
    if known.any():
        nearest = int(np.argmin(np.where(known, np.abs(velocities), np.inf)))
        value, error = _shared(velocities[known]), float(errors[nearest])
    answers = [Answer("redshift", "all lines", MEASURE, value, error=error)]
    worst, name = np.nan, ""
    for line, measured in lines.items():
        apart = (measured - velocities)[np.isfinite(measured) & known]
        if len(apart) < FEWEST_CLUSTERS:
            continue
        shared = _shared(apart)
        if not name or abs(shared) > abs(worst):
            worst, name = shared, line
    variant = f"one line ({name})" if name else "one line"
    return [*answers, Answer("redshift", variant, MEASURE, worst)]


def _shared(velocities: NDArray[np.float64]) -> float:
    """The displacement nearest to zero if all are to one side, else 0."""
    if np.all(velocities > 0) or np.all(velocities < 0):
        return float(velocities[np.argmin(np.abs(velocities))])
    return 0.0
