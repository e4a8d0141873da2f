"""Line fluxes against two independent tools, LiMe and specutils, on the same spectra.

    python -m tests.benchmarks.truth.compare_lime [FOLDER WITH OBSERVED DATA]

Both tools fit a straight continuum beside each line, sum what is above it, and fit a Gaussian;
how far out, is chosen here and not by the survey. Whichever of them is installed is used.
LiMe 2.0 asks for pandas 2 and astropy 7 and would replace newer ones, so it wants an
environment of its own:

    python -m venv FOLDER
    FOLDER/bin/pip install lime-stable specutils pydantic threadpoolctl pytest
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.io import fits

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features.measurements import measure_features
from survey.features.spectrum import Spectrum, observed_spectrum
from survey.features.velocity import find_velocity
from survey.features.width import find_width
from survey.simulate.spectra import line_profile, load_spectrum
from survey.spectra.constants import LIGHT_KM_S, LIGHT_UM_S

DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"

LINE_KM_S = 450.0
CONTINUUM_KM_S = (600.0, 1500.0)
"""What the tools are told to take for the line, and for the continuum on both sides."""

BRIGHT_SNR = 10.0
COMPONENTS = ("seyfert", "liner", "disc")


@dataclass(frozen=True)
class Input:
    """A spectrum as it was observed, its wavelengths too; `truth` by line where it is known."""

    name: str
    wavelength_um: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    flux_unit: str
    redshift: float
    truth: dict[str, float] | None = None


@dataclass(frozen=True)
class Comparison:
    """One bright line: our flux, that of each tool and method, and the truth or NaN."""

    spectrum: str
    line: str
    snr: float
    ours: float
    theirs: dict[str, float]
    truth: float


Tools = dict[str, Callable[[Spectrum, float], tuple[float, float]]]


def installed_tools() -> Tools:
    """Functions of a spectrum and a wavelength that give sum and Gaussian, by tool."""
    tools = {"lime": lime_fluxes, "specutils": specutils_fluxes}
    return {name: tool for name, tool in tools.items() if find_spec(name)}


def lime_fluxes(spectrum: Spectrum, centre_um: float) -> tuple[float, float]:
    """Sum over the line and area of a fitted Gaussian, by LiMe."""
    import lime
    import pandas as pd

    scale = np.median(np.abs(spectrum.flux))
    angstrom = centre_um * 1e4
    # LiMe reads the wavelength from the label, and nothing else in it matters here.
    label = f"H1_{angstrom:.0f}A"
    low, high = CONTINUUM_KM_S
    limits = np.array([-high, -low, -LINE_KM_S, LINE_KM_S, low, high]) / LIGHT_KM_S
    bands = pd.DataFrame(
        [dict(zip(["w1", "w2", "w3", "w4", "w5", "w6"], angstrom * (1 + limits), strict=True))],
        index=[label],
    ).assign(wavelength=angstrom, units_wave="Angstrom", particle="H1")
    observed = lime.Spectrum(
        input_wave=spectrum.wavelength_um * 1e4,
        input_flux=spectrum.flux / scale,
        redshift=0.0,
        norm_flux=1.0,
        units_wave="AA",
        units_flux="FLAM",
    )
    observed.fit.bands(label, bands, cont_source="adjacent")
    row = observed.frame.loc[label]
    return row.intg_flux * scale * 1e-4, row.profile_flux * scale * 1e-4


def specutils_fluxes(spectrum: Spectrum, centre_um: float) -> tuple[float, float]:
    """Sum over the line and area of a fitted Gaussian, by specutils."""
    from astropy.modeling.models import Gaussian1D, Linear1D
    from specutils import SpectralRegion
    from specutils import Spectrum as Observed
    from specutils.analysis import line_flux
    from specutils.fitting import fit_continuum, fit_lines

    def region(low: float, high: float) -> SpectralRegion:
        return SpectralRegion(*(centre_um * (1 + v / LIGHT_KM_S) * u.um for v in (low, high)))

    low, high = CONTINUUM_KM_S
    scale, unit = np.median(np.abs(spectrum.flux)), u.W / u.m**2 / u.um
    observed = Observed(
        flux=spectrum.flux / scale * unit, spectral_axis=spectrum.wavelength_um * u.um
    )
    sides = region(-high, -low) + region(low, high)
    continuum = fit_continuum(observed, Linear1D(0, 1), window=sides)
    above = observed - continuum(observed.spectral_axis)
    line = region(-LINE_KM_S, LINE_KM_S)
    peak = np.interp(centre_um, spectrum.wavelength_um, above.flux.value)
    guess = Gaussian1D(peak * unit, centre_um * u.um, centre_um * 100 / LIGHT_KM_S * u.um)
    fitted = fit_lines(above, guess, window=line)
    area = np.sqrt(2 * np.pi) * (fitted.amplitude * fitted.stddev).value
    return line_flux(above, line).value * scale, area * scale


def compare(given: Input, tools: Tools) -> Iterator[Comparison]:
    """Measure the bright lines of a spectrum by all means, where we find them."""
    lines = packaged_reference().lines_of("mir")
    arguments = {
        "flux_unit": given.flux_unit,
        "redshift": given.redshift,
        "resolving_power": packaged_reference().resolving_power("MIRI/MRS", given.wavelength_um),
    }
    columns = given.wavelength_um / (1 + given.redshift), given.flux, given.error
    observed = observed_spectrum(*columns, **arguments)
    velocity = find_velocity(observed, lines).velocity_km_s
    spectrum = observed.displaced(velocity)
    width = find_width(spectrum, lines)
    measured = measure_features(spectrum, lines, (), FeatureSettings(), width=width)
    for line, ours in zip(lines, measured, strict=True):
        if not (line.bright and ours.detected and ours.snr > BRIGHT_SNR) or ours.blended:
            continue
        moved = (ours.velocity_km_s - velocity) / LIGHT_KM_S if ours.displaced else 0.0
        theirs = {}
        for name, tool in tools.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                total, gaussian = tool(spectrum, line.wavelength_um * (1 + moved))
            theirs |= {f"{name} sum": total, f"{name} Gaussian": gaussian}
        truth = np.nan if given.truth is None else given.truth[line.name]
        yield Comparison(given.name, line.name, ours.snr, ours.flux, theirs, truth)


def observed_inputs(data: Path) -> Iterator[Input]:
    """VV 114 in its sub-bands, region 1 of NGC 7469, and its channel 4 by groups of spaxels."""
    spectra = data / "mir_spectra"
    for path in sorted(spectra.glob("VV114_MIRI_ch*_s1d.fits")):
        table = fits.getdata(path, 1)
        columns = (table[name].astype(float) for name in ("wavelength", "flux", "uncertainty"))
        yield Input(path.stem.removesuffix("_s1d"), *columns, "MJy", 0.0202)

    wavelength, *columns = np.loadtxt(spectra / "NGC7469_reg1_0.4arcsec.dat").T[:3]
    order = np.unique(wavelength, return_index=True)[1]
    order = order[(wavelength[order] > 4.9) & (wavelength[order] < 28)]
    columns = (column[order] for column in (wavelength, *columns))
    # Its wavelengths are at rest already.
    yield Input("NGC7469 region 1", *columns, "Jy", 0.0)

    for band in ("short", "long"):
        with fits.open(data / "mrs" / f"NGC7469_Level3_ch4-{band}_s3d.fits.gz") as hdus:
            flux, error = hdus["SCI"].data.astype(float), hdus["ERR"].data.astype(float)
            header = hdus["SCI"].header
        plane = np.arange(len(flux)) + 1 - header["CRPIX3"]
        good = np.isfinite(flux).mean(axis=0) > 0.9
        flux, error = flux[:, good], error[:, good]
        order = np.argsort(-np.nansum(flux, axis=0))
        for number, group in enumerate(np.array_split(order, 6), start=1):
            seen = np.isfinite(flux[:, group]).any(axis=1)
            yield Input(
                f"NGC7469 ch4-{band}, group {number}",
                (header["CRVAL3"] + plane * header["CDELT3"])[seen],
                np.nanmedian(flux[seen][:, group], axis=1),
                np.nanmedian(error[seen][:, group], axis=1) / np.sqrt(group.size),
                "MJy/sr",
                0.016317,
            )


def simulated_inputs() -> Iterator[Input]:
    """Channel 3 of the survey's simulated regions: bands, 1% fringes, S/N 100."""
    wavelength = np.arange(11.55, 17.98, 0.0025)
    edges = np.append(wavelength - 0.00125, wavelength[-1] + 0.00125)
    for seed, name in enumerate(COMPONENTS):
        region, rng = load_spectrum(name), np.random.default_rng(seed)
        flux = region.continuum(wavelength) + region.bands(wavelength)
        error = flux / 100
        truth = {}
        for line, power in zip(region.lines, region.line_fluxes(), strict=True):
            centre = line.wavelength_um
            instrument_km_s = LIGHT_KM_S / packaged_reference().resolving_power("MIRI/MRS", centre)
            sigma = centre * np.hypot(instrument_km_s, 200) / LIGHT_KM_S / 2.3548
            per_um = power * line_profile(edges, np.array(centre), np.array(sigma)) / 0.0025
            flux = flux + per_um * wavelength**2 / LIGHT_UM_S
            # The spectrum is in MJy/sr, 1e-20 W/m2/Hz/sr.
            truth[line.name] = power * 1e-20
        fringe = 0.01 * np.sin(2 * np.pi / (wavelength * 2.9e-4) + rng.uniform(0, 2 * np.pi))
        noise = rng.normal(0, error)
        yield Input(f"simulated {name}", wavelength, flux * (1 + fringe) + noise, error,
                    "MJy/sr", 0.0, truth)  # fmt: skip


def main() -> None:
    """Print every comparison, then for each method the median and the largest deviation."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    inputs = [*simulated_inputs(), *(observed_inputs(data) if data.is_dir() else ())]
    tools = installed_tools()
    if not tools:
        sys.exit("neither lime nor specutils is installed")
    found = [row for given in inputs for row in compare(given, tools)]
    for row in found:
        ratios = "  ".join(f"{name} {flux / row.ours:.3f}" for name, flux in row.theirs.items())
        truth = "" if np.isnan(row.truth) else f"  truth {row.truth / row.ours:.3f}"
        print(f"{row.spectrum:27} {row.line:12} S/N {row.snr:4.0f}  {ratios}{truth}")
    print(f"\n{len(found)} bright lines, tool / ours: median, largest deviation from 1")
    for name in found[0].theirs:
        ratio = np.array([row.theirs[name] / row.ours for row in found])
        print(f"{name:20} {np.median(ratio):.3f}  {np.abs(ratio - 1).max():.1%}")


if __name__ == "__main__":
    main()
