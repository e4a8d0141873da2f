"""Photoelectric absorption by neutral gas of solar abundances."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from survey.latents.xray.simulate.data import load_table

Floats = npt.NDArray[np.float64]


def transmission(energy_kev: Floats, n_h_1e22: float, redshift: float = 0.0) -> Floats:
    """Fraction of photons that pass a column of gas.

    Parameters
    ----------
    energy_kev : array
        As observed, above 0.03 keV. Above 10 keV the cross section falls as the cube of it.
    n_h_1e22 : float
        Hydrogen column in 1e22 per cm2.
    redshift : float
        Of the gas.
    """
    return np.exp(-n_h_1e22 * 1e22 * cross_section_cm2(energy_kev * (1 + redshift)))


def cross_section_cm2(energy_kev: Floats) -> Floats:
    """Cross section per hydrogen atom (Morrison & McCammon 1983)."""
    low, coefficients = _polynomials()
    energy = np.asarray(energy_kev, dtype=np.float64)
    within = np.clip(energy, low[0], 10.0)
    c0, c1, c2 = coefficients[:, np.searchsorted(low, within, side="right") - 1]
    value = (c0 + c1 * within + c2 * within**2) / within**3 * 1e-24
    return value * (within / energy) ** 3


@cache
def _polynomials() -> tuple[Floats, Floats]:
    table = load_table("absorption.ecsv")
    return (
        np.asarray(table["low_kev"], dtype=np.float64),
        np.stack([np.asarray(table[name], dtype=np.float64) for name in ("c0", "c1", "c2")]),
    )
