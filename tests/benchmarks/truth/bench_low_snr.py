"""From which continuum S/N on the features of a cluster's spectrum can be trusted.

Simulated channel 3 spectra of all kinds of regions are measured without noise and with noise of
so much S/N per sample. Printed is what `profiles.low_snr_below` was chosen from. Run with the seeds
to choose on (0, the default), and with others (1000) to confirm.
"""

from __future__ import annotations

import sys

import numpy as np

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features.measurements import MeasuredSpectrum, measure_spectrum
from survey.features.spectrum import observed_spectrum
from survey.simulate.instruments import load_toml
from survey.simulate.noise import correlated_noise, noise_level
from survey.simulate.spectra import LIGHT_UM_S, Spectrum, line_profile, load_spectrum
from survey.spectra.noise import spectral_noise

SNR = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50)
DRAWS = 6
DISPERSION_KM_S = 60.0
FRINGES = 0.003
STEP_UM = 0.0025
WAVELENGTH_UM = np.arange(11.55, 17.98, STEP_UM)
FEATURES = ("NeII_12.81", "NeIII_15.56", "PAH_12.7", "PAH_11.3")


def noiseless(spectrum: Spectrum, resolving_power: np.ndarray) -> np.ndarray:
    """F_nu of a region, 1 at the pivot wavelength."""
    edges = np.append(WAVELENGTH_UM - STEP_UM / 2, WAVELENGTH_UM[-1] + STEP_UM / 2)
    flux = spectrum.continuum(WAVELENGTH_UM) + spectrum.bands(WAVELENGTH_UM)
    for line, power in zip(spectrum.lines, spectrum.line_fluxes(), strict=True):
        centre = line.wavelength_um
        width = centre * np.hypot(
            DISPERSION_KM_S / 299792.458,
            1 / np.interp(centre, WAVELENGTH_UM, resolving_power) / 2.3548,
        )
        share = line_profile(edges, np.asarray(centre), np.asarray(width))
        flux = flux + power * share * centre**2 / (LIGHT_UM_S * STEP_UM)
    return flux


def measured(flux: np.ndarray, error: np.ndarray, resolving_power: np.ndarray) -> MeasuredSpectrum:
    """Lines, bands and slope of a spectrum."""
    reference = packaged_reference()
    given = observed_spectrum(
        WAVELENGTH_UM, flux, error, flux_unit="MJy/sr", redshift=0.0,
        resolving_power=resolving_power,
    )  # fmt: skip
    slope, settings = reference.slope(), FeatureSettings()
    return measure_spectrum(given, reference.lines, reference.bands, slope, settings)


def errors(snr: float, rng: np.random.Generator) -> dict[str, list[float]]:
    """What noise of this S/N does to the features, region by region."""
    resolving_power = packaged_reference().resolving_power("MIRI/MRS", WAVELENGTH_UM)
    found: dict[str, list[float]] = {}
    for name in load_toml("components.toml")["spectrum"]:
        for _ in range(DRAWS):
            clean = noiseless(load_spectrum(name).anywhere(rng), resolving_power)
            level = float(np.median(clean))
            sigma = level / snr * noise_level(clean[:, None, None], level, np.ones((1, 1)))
            noise = correlated_noise((len(clean), 1, 1), rng)
            phase = rng.uniform(0, 2 * np.pi)
            fringes = 1 + FRINGES * np.sin(2 * np.pi / (WAVELENGTH_UM * 2.9e-4) + phase)
            noisy = clean * fringes + (sigma * noise)[:, 0, 0]
            truth = measured(clean, 1e-5 * clean, resolving_power)
            result = measured(noisy, sigma[:, 0, 0], resolving_power)
            given = {item.name: item for item in truth.features}
            seen = {item.name: item for item in result.features}
            row = {
                "S/N": float(np.median(noisy) / spectral_noise(noisy[None])[0]),
                "slope": result.slope.alpha - truth.slope.alpha,
                "Ne ratio": _log_ratio(seen) - _log_ratio(given),
            }
            row |= {
                feature: seen[feature].flux / given[feature].flux - 1
                for feature in FEATURES
                if feature in seen and given[feature].flux > 0
            }
            row["detected"] = float(seen["NeII_12.81"].detected)
            for column, value in row.items():
                found.setdefault(column, []).append(value)
    return found


def _log_ratio(items: dict) -> float:
    """log10 of [Ne III] / [Ne II], NaN unless both are detected."""
    lines = [items[name] for name in ("NeIII_15.56", "NeII_12.81")]
    if not all(line.detected and line.flux > 0 for line in lines):
        return float("nan")
    return float(np.log10(lines[0].flux / lines[1].flux))


def main(seed: int = 0) -> None:
    """Print a row for every S/N: the measured S/N, and half the width of 68% of the errors."""
    columns: list[str] = []
    for number, snr in enumerate(SNR):
        found = errors(snr, np.random.default_rng([seed, number]))
        if not columns:
            columns = [name for name in found if name not in ("S/N", "detected")]
            print("S/N given  found  [Ne II]  both Ne  " + "  ".join(f"{c:>11}" for c in columns))
        row = [np.nanpercentile(np.abs(found[name]), 68) for name in columns]
        print(
            f"{snr:9d}  {np.median(found['S/N']):5.1f}  {np.mean(found['detected']):7.2f}  "
            f"{np.mean(np.isfinite(found['Ne ratio'])):7.2f}  "
            + "  ".join(f"{value:11.3f}" for value in row)
        )


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:]))
