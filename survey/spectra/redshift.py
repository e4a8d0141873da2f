"""Which redshifts can be: a wrong column or unit shows here, before it moves every line away."""

from __future__ import annotations

from math import isnan

from survey.spectra.constants import LIGHT_KM_S

LARGEST_REDSHIFT = 20.0
"""No galaxy is known beyond 15."""

SMALLEST_REDSHIFT = -0.01
"""Approaching at 3000 km/s; the nearest galaxies approach at up to 400."""

REDSHIFT_RANGE = f"{SMALLEST_REDSHIFT:g} to {LARGEST_REDSHIFT:g}"


def suspected_meaning(redshift: float) -> str | None:
    """None for a redshift that can be, or is unknown (NaN); else what the number may be."""
    if isnan(redshift) or SMALLEST_REDSHIFT <= redshift <= LARGEST_REDSHIFT:
        return None
    meant = redshift / LIGHT_KM_S
    if abs(redshift) >= LARGEST_REDSHIFT and SMALLEST_REDSHIFT <= meant <= 1:
        return f"If it is a velocity in km/s, the redshift is {meant:.6g}"
    return "Leave it empty if it is unknown"
