"""Distances, and what follows from them: luminosities and sizes.

The distance of the targets table comes first. Without it, it follows from the redshift and the
cosmology Planck18 of astropy (Planck Collaboration 2020, A&A 641, A6): not to be trusted below
about z = 0.01, where peculiar velocities matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from survey.features.extinction import HALPHA, HBETA, balmer_extinction
from survey.pipeline.galaxy.tables import MeasuredRows

COSMOLOGY = "Planck18"
FROM_TARGETS = "targets table"
M_PER_MPC = 3.0856775814913673e22
RAD_PER_ARCSEC = math.pi / 648000.0


@dataclass(frozen=True)
class PhysicalScale:
    """Luminosity distance of a galaxy and the size of an arcsecond; NaN if not known."""

    distance_mpc: float = math.nan
    kpc_per_arcsec: float = math.nan
    origin: str = ""

    @classmethod
    def of(cls, distance_mpc: float, redshift: float) -> PhysicalScale:
        """The scale by a given distance, or if that is NaN by a redshift."""
        if math.isfinite(distance_mpc):
            origin = FROM_TARGETS
        elif redshift > 0:
            from astropy.cosmology import Planck18  # slow to load

            distance_mpc, origin = float(Planck18.luminosity_distance(redshift).value), COSMOLOGY
        else:
            return cls()
        angular_mpc = distance_mpc / (1.0 + max(redshift, 0.0)) ** 2
        return cls(distance_mpc, angular_mpc * 1e3 * RAD_PER_ARCSEC, origin)

    def facts(self) -> dict[str, Any]:
        """Its columns of the table `galaxies`."""
        return {
            "distance_mpc": self.distance_mpc,
            "distance_origin": self.origin,
            "kpc_per_arcsec": self.kpc_per_arcsec,
        }

    @property
    def watt_per_flux(self) -> float:
        """Luminosity (W) of a flux of 1 W m-2."""
        return 4.0 * math.pi * (self.distance_mpc * M_PER_MPC) ** 2


def with_physical(measured: MeasuredRows, scale: PhysicalScale) -> MeasuredRows:
    """The rows with luminosities, sizes in kpc, and extinction by the Balmer lines."""
    clusters = [
        row
        | {
            "radius_kpc": row["radius_arcsec"] * scale.kpc_per_arcsec,
            "area_kpc2": row["area_arcsec2"] * scale.kpc_per_arcsec**2,
        }
        | _extinction(row)
        for row in measured.clusters
    ]
    lines = [
        row
        | {
            "luminosity": row["region_flux"] * scale.watt_per_flux,
            "luminosity_err": row["region_err"] * scale.watt_per_flux,
        }
        for row in measured.measurements
    ]
    return MeasuredRows(clusters, lines)


def _extinction(row: Mapping[str, Any]) -> dict[str, float]:
    if not (row.get(f"detected_{HALPHA}") and row.get(f"detected_{HBETA}")):
        return {}
    numbers = (row[f"{kind}_{line}"] for line in (HALPHA, HBETA) for kind in ("flux", "err"))
    found = balmer_extinction(*numbers)
    return {
        "balmer_decrement": found.decrement,
        "balmer_decrement_err": found.decrement_error,
        "a_v": found.a_v,
        "a_v_err": found.a_v_error,
    }
