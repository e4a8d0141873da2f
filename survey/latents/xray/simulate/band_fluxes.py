"""Band fluxes of simulated sources as a catalog has them, to compare with those of real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from survey.latents.grid import Grid
from survey.latents.xray.acis import acis_like_response
from survey.latents.xray.catalog_tables import CSC_BANDS_KEV, csc_bands, hardness_ratios
from survey.latents.xray.simulate.sources import class_names, draw_source

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]

BACKGROUND_PER_ROOT = (0.05, 0.04, 0.12)
"""Counts of background in the three bands for a source of one count; with its square root."""

MOST_FOR_BACKGROUND = 60.0
FEWEST_COUNTS = 8.0
COUNTS_PER_SQUARE = 1.15
"""Counts of a source over the square of its significance."""


@dataclass(frozen=True, eq=False)
class BandFluxes:
    """Energy fluxes (n, 3) in the soft, medium and hard band, with noise, and classes (n,)."""

    classes: Names
    fluxes: Floats

    @property
    def hardness(self) -> Floats:
        """Hardness ratios (n, 3); see `hardness_ratios`."""
        return hardness_ratios(*self.fluxes.T)


def simulate_band_fluxes(
    n_per_class: int, significance: Floats, *, seed: int, classes: Sequence[str] | None = None
) -> BandFluxes:
    """Sources of all classes, as bright as those of a catalog.

    Parameters
    ----------
    n_per_class : int
    significance : array
        Of the sources of the catalog; drawn from at random.
    seed : int
    classes : sequence of str, optional
        Default: all.
    """
    rng = np.random.default_rng(seed)
    low, high = CSC_BANDS_KEV[0][0], CSC_BANDS_KEV[-1][1]
    grid = Grid(np.geomspace(low, high, 181), "keV")
    bands = csc_bands(grid).T
    response = acis_like_response()
    area = np.asarray(response.matrix.sum(axis=1)).ravel()
    area_cm2 = np.interp(grid.centres, response.energies.centres, area)
    names, fluxes = [], []
    for name in classes or class_names():
        for _ in range(n_per_class):
            photons = draw_source(name, rng).photons(grid)
            energy, counts = (photons * grid.centres) @ bands, (photons * area_cm2) @ bands
            total = max(FEWEST_COUNTS, COUNTS_PER_SQUARE * float(rng.choice(significance)) ** 2)
            counts *= total / counts.sum()
            behind = np.array(BACKGROUND_PER_ROOT) * np.sqrt(min(total, MOST_FOR_BACKGROUND))
            seen = np.maximum(rng.poisson(counts + behind) - behind, 0.0)
            fluxes.append(energy * seen / np.maximum(counts, 1e-9))
            names.append(name)
    return BandFluxes(np.array(names, dtype=np.str_), np.array(fluxes))
