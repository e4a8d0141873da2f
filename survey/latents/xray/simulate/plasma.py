"""Optically thin plasma in collisional equilibrium: bremsstrahlung and strong line complexes.

This is an approximation, not a plasma code. The continuum is that of hydrogen and helium alone,
without recombination and two-photon emission: at temperatures below 0.5 keV it is too faint. Lines
are excited by electrons from the ground,

    rate = 8.63e-6 T^-1/2 (8 pi / sqrt 3) f g (13.6 eV / E) exp(-E / kT) cm3/s,

with one effective Gaunt factor g (van Regemorter 1962, ApJ 136, 906; Mewe 1972, A&A 20, 215).
Equivalent widths of the K lines of silicon to iron and the share of lines between 0.5 and 2 keV
agree with those of detailed models to a factor of about 1.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from survey.latents.grid import Grid
from survey.latents.xray.simulate.data import load_table
from survey.latents.xray.simulate.emission import bremsstrahlung

Floats = npt.NDArray[np.float64]

KEV_IN_K = 1.160_45e7
RYDBERG_KEV = 0.013_605_7
EFFECTIVE_GAUNT = 0.2

# Photons of bremsstrahlung per cm3, s and keV, for unit electron and hydrogen density:
# 6.8e-38 erg/s/cm3/Hz (Rybicki & Lightman, eq. 5.14b), over the energy of a photon, times
# 1.4 for the helium.
_FREE_FREE = 1.43e-11


def plasma(grid: Grid, *, kt_kev: float, abundance: float) -> Floats:
    """Photons per keV in the bins of a grid, for unit emission measure.

    Parameters
    ----------
    grid : Grid
        Energies as emitted.
    kt_kev : float
    abundance : float
        Of all metals, relative to solar.
    """
    temperature_k = kt_kev * KEV_IN_K
    density = _FREE_FREE / np.sqrt(temperature_k) * bremsstrahlung(grid.centres, kt_kev=kt_kev)
    lines = _lines()
    bins = np.searchsorted(grid.edges, lines.energy_kev, side="right") - 1
    inside = (bins >= 0) & (bins < len(grid))
    photons = abundance * lines.emissivity(temperature_k)
    np.add.at(density, bins[inside], photons[inside] / grid.widths[bins[inside]])
    return density


@dataclass(frozen=True)
class _Lines:
    """Complexes of lines, an array (m,) for each column of the table."""

    energy_kev: Floats
    abundance: Floats
    strength: Floats
    log_t: Floats
    fraction: Floats
    half_low_dex: Floats
    half_high_dex: Floats

    def emissivity(self, temperature_k: float) -> Floats:
        """Photons per cm3 and s for unit electron and hydrogen density, solar abundance (m,)."""
        offset = np.log10(temperature_k) - self.log_t
        width = np.where(offset < 0, self.half_low_dex, self.half_high_dex)
        ion = self.abundance * self.fraction * 0.5 ** (offset / width) ** 2
        collision = (
            8 * np.pi / np.sqrt(3) * self.strength * EFFECTIVE_GAUNT * RYDBERG_KEV / self.energy_kev
        )
        boltzmann = np.exp(-self.energy_kev * KEV_IN_K / temperature_k)
        return np.asarray(ion * 8.63e-6 / np.sqrt(temperature_k) * collision * boltzmann)


@cache
def _lines() -> _Lines:
    table = load_table("plasma_lines.ecsv")
    columns = [name for name in table.colnames if name != "ion"]
    return _Lines(**{name: np.asarray(table[name], dtype=np.float64) for name in columns})
