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

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features.measurements import measure_spectrum
from survey.features.spectrum import observed_spectrum
from survey.simulate.truth import MIXED_BELOW
from tests.benchmarks.truth.bench_truth_classes import CACHE
from tests.benchmarks.truth.truth_archives import CLASSES

DATA = Path(__file__).parents[4] / "shared" / "data" / "mir_spectra"
VV114_REDSHIFT = 0.0202
RANGES_UM = {"3": (11.4, 18.2), "4": (17.6, 28.3)}
ASSUMED_ERROR = 0.01
"""Relative, where a file has no useful errors; those of lines are measured beside them."""


QUANTITIES = {
    "3": {
        "PAH 12.7 EW um": ("ew", "PAH_12.7"),
        "[Ne II] EW um": ("ew", "NeII_12.81"),
        "[Ne III]/[Ne II]": ("ratio", "NeIII_15.56", "NeII_12.81"),
        "[Ne V]/[Ne II]": ("ratio", "NeV_14.32", "NeII_12.81"),
        "S(1)/[Ne II]": ("ratio", "H2_S1_17.03", "NeII_12.81"),
    },
    "4": {
        "[S III] EW um": ("ew", "SIII_18.71"),
        "[O IV] EW um": ("ew", "OIV_25.89"),
        "[O IV]/[S III]": ("ratio", "OIV_25.89", "SIII_18.71"),
        "[Ne V]/[S III]": ("ratio", "NeV_24.32", "SIII_18.71"),
        "[Fe II]/[S III]": ("ratio", "FeII_25.99", "SIII_18.71"),
    },
}
"""By channel of MRS."""

Measured = dict[str, tuple[float, float]]
"""Flux and equivalent width of features."""


def observed(channel: str) -> Iterator[tuple[str, float, np.ndarray, np.ndarray]]:
    """Names, redshifts, rest wavelengths (micron) and fluxes (Jy)."""
    for name, file in (
        ("NGC 7469, 0.4 arcsec on the ring (SF)", "NGC7469_reg1_0.4arcsec.dat"),
        ("NGC 7469, all (Seyfert and ring)", "NGC7469_miri_tot_Jy.dat"),
    ):
        wavelength, flux = np.loadtxt(DATA / file).T[:2]
        yield name, 0.0, wavelength, flux
    bands = [
        fits.getdata(DATA / f"VV114_MIRI_ch{channel}_{band}_s1d.fits", 1)
        for band in ("SHORT", "MEDIUM", "LONG")
    ]
    wavelength, flux = (
        np.concatenate([np.asarray(band[name], float) for band in bands])
        for name in ("WAVELENGTH", "FLUX")
    )
    yield "VV 114, all (merger)", VV114_REDSHIFT, wavelength / (1 + VV114_REDSHIFT), flux


def measured(channel: str, redshift: float, wavelength: np.ndarray, flux: np.ndarray) -> Measured:
    """The features of one channel in a spectrum."""
    reference = packaged_reference()
    low, high = RANGES_UM[channel]
    rest, first = np.unique(wavelength, return_index=True)
    inside = (rest > low) & (rest < high) & np.isfinite(flux[first])
    rest, values = rest[inside], flux[first][inside]
    spectrum = observed_spectrum(
        rest, values, ASSUMED_ERROR * np.abs(values), flux_unit="Jy", redshift=redshift,
        resolving_power=reference.resolving_power("MIRI/MRS", rest * (1 + redshift)),
    )  # fmt: skip
    found = measure_spectrum(
        spectrum, reference.lines_of("mir"), reference.bands, reference.slope(), FeatureSettings()
    )
    return {
        each.name: (each.flux if each.detected else np.nan, each.equivalent_width)
        for each in found.features
    }


def value_of(found: Measured, kind: str, *features: str) -> float:
    """An equivalent width, or a ratio of fluxes; NaN where a line is not detected."""
    if any(name not in found or np.isnan(found[name][0]) for name in features):
        return float("nan")
    first, *rest = (found[name] for name in features)
    return first[1] if kind == "ew" else first[0] / rest[0][0]


def simulated(clusters: pd.DataFrame, kind: str, *features: str) -> pd.Series:
    """The same of clusters where all features are detected."""
    seen = np.logical_and.reduce([clusters[f"flux_{name}"].notna() for name in features])
    if kind == "ew":
        return clusters[f"ew_{features[0]}"][seen]
    return (clusters[f"flux_{features[0]}"] / clusters[f"flux_{features[1]}"])[seen]


def kept_clusters(cache: Path, channel: str) -> pd.DataFrame:
    """Clusters of one channel in the archives that are kept, without those of mixed classes."""
    name = "clusters-[0-9]*" if channel == "3" else f"clusters-ch{channel}-*"
    kept = [pd.read_parquet(file) for file in sorted(cache.glob(f"{name}.parquet"))]
    if not kept:
        return pd.DataFrame()
    clusters = pd.concat(kept, ignore_index=True)
    return clusters[clusters["purity"] >= MIXED_BELOW]


def main(cache: Path = CACHE) -> None:
    """Print what spectra have, and where that lies among simulated clusters of each class."""
    for channel, quantities in QUANTITIES.items():
        clusters = kept_clusters(cache, channel)
        spectra = {name: measured(channel, *given) for name, *given in observed(channel)}
        print(f"\nChannel {channel}; of simulated clusters 5, 50 and 95%, and how many are below")
        if clusters.empty:
            print(f"no archives in {cache}: run bench_truth_classes.py first")
        for quantity, given in quantities.items():
            print(quantity)
            ranges = {}
            for number, name in enumerate(CLASSES if len(clusters) else ()):
                values = simulated(clusters[clusters["truth"] == number], *given).to_numpy()
                if len(values):
                    ranges[name] = values
                    low, middle, high = np.percentile(values, [5, 50, 95])
                    print(f"  {name:8}{len(values):5} {low:9.3f}{middle:9.3f}{high:9.3f}")
            for name, found in spectra.items():
                value = value_of(found, *given)
                below = ", ".join(
                    f"{kind} {100 * (values < value).mean():.0f}%"
                    for kind, values in ranges.items() if value == value
                )  # fmt: skip
                print(f"  {name:40}{value:9.4f}  {below}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
