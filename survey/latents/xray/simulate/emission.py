"""Emission of X-ray sources: photons per bin of energy, in an arbitrary normalisation.

Every function takes the emitted energies of the bins in keV and returns the density of photons.
Bins are far narrower than the resolution of the detector, so their middles are used.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import k0e

from survey.latents.grid import Grid

Floats = npt.NDArray[np.float64]


def power_law(energy_kev: Floats, *, index: float) -> Floats:
    """``E^-index``, index the photon index."""
    return energy_kev**-index


def cutoff_power_law(energy_kev: Floats, *, index: float, cutoff_kev: float) -> Floats:
    """``E^-index exp(-E / cutoff)``: accretion columns, Comptonisation by hot electrons."""
    return energy_kev**-index * np.exp(-energy_kev / cutoff_kev)


def comptonised(energy_kev: Floats, *, index: float, cutoff_kev: float, seed_kev: float) -> Floats:
    """Thermal Comptonisation, in short: a cut-off power law with its low end rolled over.

    Below the peak of the seed photons, at 2.7 of their temperature, the spectrum goes over
    into their Rayleigh-Jeans tail, in photons proportional to E.
    """
    rise = -np.expm1(-((energy_kev / (2.7 * seed_kev)) ** (index + 1)))
    return rise * cutoff_power_law(energy_kev, index=index, cutoff_kev=cutoff_kev)


def blackbody(energy_kev: Floats, *, kt_kev: float | Floats) -> Floats:
    """``E^2 / (exp(E / kT) - 1)``."""
    return energy_kev**2 * np.exp(-energy_kev / kt_kev) / -np.expm1(-energy_kev / kt_kev)


def disc(energy_kev: Floats, *, kt_kev: float) -> Floats:
    """Multicolour disc (Mitsuda et al. 1984, PASJ 36, 741), kT that of its inner edge.

    The sum of black bodies of temperature T over rings: area goes as ``T^-11/3 dT``.
    """
    ratio = np.geomspace(0.003, 1.0, 60)
    rings = blackbody(energy_kev[:, None], kt_kev=kt_kev * ratio)
    return np.trapezoid(rings * ratio ** (-8 / 3), np.log(ratio), axis=1)


def bremsstrahlung(energy_kev: Floats, *, kt_kev: float) -> Floats:
    """``exp(-E / kT) g / E`` with the Gaunt factor of the Born approximation, averaged.

    ``g = sqrt(3) / pi exp(x / 2) K0(x / 2)``, x = E / kT (Greene 1959, ApJ 130, 693).
    """
    return np.exp(-energy_kev / kt_kev) * gaunt_factor(energy_kev / kt_kev) / energy_kev


def gaunt_factor(x: Floats) -> Floats:
    """Free-free Gaunt factor, averaged over a Maxwellian, in the Born approximation."""
    return np.sqrt(3) / np.pi * k0e(x / 2)


def line(grid: Grid, *, energy_kev: float, sigma_kev: float = 0.0) -> Floats:
    """A Gaussian line of one photon, as photons per keV in the bins of a grid."""
    if sigma_kev < 0.5 * grid.widths.max():
        bin_ = np.searchsorted(grid.edges, energy_kev, side="right") - 1
        profile = np.zeros(len(grid))
        if 0 <= bin_ < len(grid):
            profile[bin_] = 1 / grid.widths[bin_]
        return profile
    offset = (grid.centres - energy_kev) / sigma_kev
    return np.exp(-(offset**2) / 2) / (np.sqrt(2 * np.pi) * sigma_kev)
