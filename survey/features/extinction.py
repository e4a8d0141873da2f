"""Extinction from the Balmer decrement.

The intrinsic ratio is that of case B at 10,000 K and 100 cm^-3 (Osterbrock & Ferland 2006, table
4.4); the law that of Cardelli, Clayton & Mathis 1989 (ApJ 345, 245, equations 1 and 3) with
R_V = 3.1, of a screen in front.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

HALPHA, HBETA = "Halpha_6563", "Hbeta_4861"
HALPHA_UM, HBETA_UM = 0.65646, 0.48627
CASE_B = 2.86
R_V = 3.1
_A = (0.32999, -0.77530, 0.01979, 0.72085, -0.02427, -0.50447, 0.17699, 1.0)
_B = (-2.09002, 5.30260, -0.62251, -5.38434, 1.07233, 2.28305, 1.41338, 0.0)


class BalmerExtinction(NamedTuple):
    """H alpha over H beta, and A_V in magnitudes, with their standard errors."""

    decrement: float
    decrement_error: float
    a_v: float
    a_v_error: float


def extinction_law(wavelength_um: float) -> float:
    """A(lambda) / A_V between 0.3 and 0.9 micron."""
    y = 1.0 / wavelength_um - 1.82
    return float(np.polyval(_A, y) + np.polyval(_B, y) / R_V)


def balmer_extinction(
    halpha: float, halpha_error: float, hbeta: float, hbeta_error: float
) -> BalmerExtinction:
    """Extinction from fluxes of both lines, which must be positive.

    Noise can make A_V negative; it is given as it is.
    """
    decrement = halpha / hbeta
    relative = float(np.hypot(halpha_error / halpha, hbeta_error / hbeta))
    # A_V = 2.5 log10(decrement / case B) / (difference of the law)
    per_log = 2.5 / (extinction_law(HBETA_UM) - extinction_law(HALPHA_UM))
    return BalmerExtinction(
        decrement,
        decrement * relative,
        float(per_log * np.log10(decrement / CASE_B)),
        float(per_log * relative / np.log(10.0)),
    )
