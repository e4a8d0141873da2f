"""Spectra with known features, as MIRI/MRS channel 3 would see them."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from scipy.special import erf

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features.measurements import Measurement, measure_features
from survey.features.spectrum import observed_spectrum
from survey.features.width import find_width

LIGHT_KM_S = 299792.458
FWHM_PER_SIGMA = 2.3548


@pytest.fixture(scope="session")
def wavelength_um() -> np.ndarray:
    return np.arange(11.55, 17.98, 0.0025)


@pytest.fixture(scope="session")
def with_lines(wavelength_um) -> Callable[..., np.ndarray]:
    """Gaussian lines of given flux (W/m2/sr) on a sloping continuum, pixel-integrated, MJy/sr."""

    def build(
        fluxes: Mapping[str, float],
        *,
        galaxy_fwhm_km_s: float = 200.0,
        velocities_km_s: Mapping[str, float] | float = 0.0,
    ) -> np.ndarray:
        step = wavelength_um[1] - wavelength_um[0]
        edges = np.append(wavelength_um - step / 2, wavelength_um[-1] + step / 2)
        spectrum = 20 * (wavelength_um / 14) ** 2
        for line in packaged_reference().lines_of("mir"):
            velocity = velocities_km_s
            if isinstance(velocity, Mapping):
                velocity = velocity.get(line.name, 0.0)
            centre = line.wavelength_um * (1 + velocity / LIGHT_KM_S)
            instrument_km_s = LIGHT_KM_S / (4603 - 128 * centre)
            fwhm_um = centre * np.hypot(instrument_km_s, galaxy_fwhm_km_s) / LIGHT_KM_S
            cumulative = erf((edges - centre) / (fwhm_um / FWHM_PER_SIGMA) / np.sqrt(2)) / 2
            per_um = fluxes.get(line.name, 0.0) * np.diff(cumulative) / step
            # W/m2/um to MJy: divide by c / lambda^2 and by 1e-20 W/m2/Hz.
            spectrum = spectrum + per_um * wavelength_um**2 / (LIGHT_KM_S * 1e9) / 1e-20
        return spectrum

    return build


@pytest.fixture(scope="session")
def observe(wavelength_um) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Add what the instrument does: fringes, noise correlated between neighbouring samples.

    S/N is that per sample of a median continuum, half of its noise being that of photons.
    The error that goes with the spectrum is too small by a factor, as that of the pipeline.
    """
    # Weights (b, 1, b): a correlation of 0.23 between neighbours, as observed.
    taps = np.array([0.118, 1, 0.118]) / np.sqrt(1 + 2 * 0.118**2)

    def run(spectrum, seed, *, continuum_snr=100.0, fringe=0.01, understated=3.0):
        rng = np.random.default_rng(seed)
        median = np.median(spectrum)
        error = median / continuum_snr * np.sqrt((1 + spectrum / median) / 2)
        noise = np.convolve(rng.standard_normal(spectrum.size + 2), taps, mode="valid") * error
        # Period 2.9 per cm: half a millimetre of silicon.
        phase = 2 * np.pi / (wavelength_um * 2.9e-4) + rng.uniform(0, 2 * np.pi)
        return spectrum * (1 + fringe * np.sin(phase)) + noise, error / understated

    return run


@pytest.fixture(scope="session")
def measure(wavelength_um) -> Callable[..., dict[str, Measurement]]:
    """Measure everything in a spectrum on the channel 3 grid, by name, as the survey does."""

    def run(spectrum, error=None, **changes) -> dict[str, Measurement]:
        error = np.full(wavelength_um.shape, np.nan) if error is None else error
        of_spectrum = {
            "flux_unit": "MJy/sr",
            "redshift": 0.0,
            "resolving_power": packaged_reference().resolving_power("MIRI/MRS", wavelength_um),
        }
        of_spectrum |= {name: changes.pop(name) for name in of_spectrum if name in changes}
        observed = observed_spectrum(wavelength_um, spectrum, error, **of_spectrum)
        observed = observed.displaced(changes.pop("velocity_km_s", 0.0))
        lines, bands = (
            changes.pop("lines", packaged_reference().lines_of("mir")),
            changes.pop("bands", packaged_reference().bands),
        )
        settings = changes.pop("settings", FeatureSettings())
        changes.setdefault("width", find_width(observed, lines))
        found = measure_features(observed, lines, bands, settings, **changes)
        return {item.name: item for item in found}

    return run
