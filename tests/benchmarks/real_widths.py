"""Equivalent widths of observed galaxies beside those of simulated clusters.

The gain by equivalent widths rests on the simulator's classes. These spectra, of JWST, show where
real regions lie: a star-forming region and the whole of NGC 7469 (a Seyfert galaxy with a ring of
star formation), and VV 114 (a merger, mostly star formation). The simulated clumps were fitted to
the region, which therefore is no independent evidence. The spectra are in ../shared/data beside the
checkout, as for the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from bench_truth_classes import CACHE
from truth_archives import CLASSES

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features.measurements import measure_spectrum
from survey.features.spectrum import observed_spectrum
from survey.simulate.truth import MIXED_BELOW

DATA = Path(__file__).parents[3] / "shared" / "data" / "mir_spectra"
VV114_REDSHIFT = 0.0202
RANGE_UM = (11.4, 18.2)
ASSUMED_ERROR = 0.01
"""Relative, where a file has no useful errors; those of lines are measured beside them."""


def observed() -> Iterator[tuple[str, float, np.ndarray, np.ndarray]]:
    """Names, redshifts, rest wavelengths (micron) and fluxes (Jy)."""
    for name, file in (
        ("NGC 7469, 0.4 arcsec on the ring (SF)", "NGC7469_reg1_0.4arcsec.dat"),
        ("NGC 7469, all (Seyfert and ring)", "NGC7469_miri_tot_Jy.dat"),
    ):
        wavelength, flux = np.loadtxt(DATA / file).T[:2]
        yield name, 0.0, wavelength, flux
    bands = [
        fits.getdata(DATA / f"VV114_MIRI_ch3_{band}_s1d.fits", 1)
        for band in ("SHORT", "MEDIUM", "LONG")
    ]
    wavelength, flux = (
        np.concatenate([np.asarray(band[name], float) for band in bands])
        for name in ("WAVELENGTH", "FLUX")
    )
    yield "VV 114, all (merger)", VV114_REDSHIFT, wavelength / (1 + VV114_REDSHIFT), flux


def main() -> None:
    """Print the predictors of the spectra, and those of simulated clusters."""
    reference = packaged_reference()
    print(f"{'':40}{'PAH 12.7 EW um':>16}{'[Ne II] EW um':>16}{'Ne III/Ne II':>14}"
          f"{'Ne V/Ne II':>14}{'S(1)/Ne II':>12}{'slope':>8}")  # fmt: skip
    for name, redshift, wavelength, flux in observed():
        rest, first = np.unique(wavelength, return_index=True)
        inside = (rest > RANGE_UM[0]) & (rest < RANGE_UM[1]) & np.isfinite(flux[first])
        rest, values = rest[inside], flux[first][inside]
        spectrum = observed_spectrum(
            rest, values, ASSUMED_ERROR * np.abs(values), flux_unit="Jy", redshift=redshift,
            resolving_power=reference.resolving_power("MIRI/MRS", rest * (1 + redshift)),
        )  # fmt: skip
        found = measure_spectrum(
            spectrum, reference.lines_of("mir"), reference.bands, reference.slope(),
            FeatureSettings(),
        )  # fmt: skip
        feature = {each.name: each for each in found.features}
        neon = feature["NeII_12.81"]
        ratios = [feature[line].flux / neon.flux
                  for line in ("NeIII_15.56", "NeV_14.32", "H2_S1_17.03")]  # fmt: skip
        widths = [feature["PAH_12.7"].equivalent_width, neon.equivalent_width]
        print(f"{name:40}{widths[0]:16.3f}{widths[1]:16.4f}{ratios[0]:14.3f}{ratios[1]:14.4f}"
              f"{ratios[2]:12.3f}{found.slope.alpha:8.2f}")  # fmt: skip
    print_simulated(Path(sys.argv[1]) if len(sys.argv) > 1 else CACHE)


def print_simulated(cache: Path) -> None:
    """Print what the same measurement gives for clusters of simulated archives that are kept."""
    kept = sorted(cache.glob("clusters-*.parquet"))
    if not kept:
        print(f"\nno archives in {cache}: run bench_truth_classes.py first")
        return
    clusters = pd.concat([pd.read_parquet(file) for file in kept])
    pure = clusters[clusters["purity"] >= MIXED_BELOW]
    print(f"\nsimulated clusters, 5, 50 and 95%, of {len(kept)} archives")
    for number, name in enumerate(CLASSES):
        rows = pure[pure["truth"] == number]
        widths = (
            " ".join(f"{value:.3f}" for value in np.nanpercentile(rows[column], [5, 50, 95]))
            for column in ("ew_PAH_12.7", "ew_NeII_12.81")
        )
        print(f"{name:8} {len(rows):5}  PAH 12.7, [Ne II] EW (um): {'; '.join(widths)}")


if __name__ == "__main__":
    main()
