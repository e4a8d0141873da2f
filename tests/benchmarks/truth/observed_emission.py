"""Observed spectra as the light of simulated regions: VV 114, a region and all of NGC 7469.

They lie in ../shared/data, which a clone does not have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from survey.spectra.constants import LIGHT_KM_S

SPECTRA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "mir_spectra"
REDSHIFT = 0.012
"""Of the galaxies made of them."""
PIVOT_UM = 15.0
VV114_REDSHIFT = 0.0202

Spectra = dict[str, tuple[np.ndarray, np.ndarray]]


def observed_spectra() -> Spectra:
    """Rest wavelength (um) and flux density of the observed spectra; sub-bands are joined."""
    wavelength, flux = np.empty(0), np.empty(0)
    for band in ("SHORT", "MEDIUM", "LONG"):
        table = fits.getdata(SPECTRA / f"VV114_MIRI_ch3_{band}_s1d.fits", 1)
        good = np.isfinite(table["FLUX"]) & (table["FLUX"] > 0)
        rest = np.asarray(table["WAVELENGTH"][good], dtype=float) / (1 + VV114_REDSHIFT)
        values = np.asarray(table["FLUX"][good], dtype=float)
        if len(wavelength):
            common = wavelength > rest[0]
            values /= np.median(np.interp(wavelength[common], rest, values) / flux[common])
            new = rest > wavelength[-1]
            rest, values = rest[new], values[new]
        wavelength, flux = np.append(wavelength, rest), np.append(flux, values)
    found = {"vv114": (wavelength, flux)}
    files = {"region": "NGC7469_reg1_0.4arcsec.dat", "total": "NGC7469_miri_tot_Jy.dat"}
    for name, file in files.items():
        rows = np.genfromtxt(SPECTRA / file, comments="#")[:, :2]
        rows = rows[np.isfinite(rows).all(axis=1)]
        rows = rows[np.argsort(rows[:, 0])]
        found[name] = (rows[:, 0], rows[:, 1])
    return found


class Emission:
    """Observed spectra, each scaled to 1 at `PIVOT_UM`, in an order drawn at random."""

    def __init__(self, rng: np.random.Generator) -> None:
        spectra = observed_spectra()
        names = ("vv114", "region", "total")
        self.spectra = [spectra[names[k]] for k in rng.permutation(len(names))]
        self.level = [
            np.interp(PIVOT_UM, wavelength, np.convolve(flux, np.ones(51) / 51, "same"))
            for wavelength, flux in self.spectra
        ]

    def of(self, number: int, rest_um: np.ndarray) -> np.ndarray:
        """Spectrum of one kind of region at rest wavelengths."""
        return np.interp(rest_um, *self.spectra[number]) / self.level[number]

    def moving(
        self, number: int, wavelength_um: np.ndarray, velocity_km_s: np.ndarray
    ) -> np.ndarray:
        """(plane, y, x) the same at observed wavelengths, at the velocity of every spaxel."""
        stretch = (1 + REDSHIFT) * (1 + velocity_km_s / LIGHT_KM_S)
        return self.of(number, wavelength_um[:, None, None] / stretch)
