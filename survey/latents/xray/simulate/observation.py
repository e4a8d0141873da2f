"""The observation of a source: exposure, angle to the axis, background, light curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, ndtr

from survey.latents.grid import Grid
from survey.latents.xray.simulate.data import load_toml

Floats = npt.NDArray[np.float64]

MAX_INDEX = 10.0


@dataclass(frozen=True)
class SimulatedDetection:
    """The circumstances of one detection.

    Attributes
    ----------
    exposure_s, off_axis_arcmin : float
    flux : float
        Of the source, relative to its mean.
    background_level : float
        Relative to what is typical.
    background_area : float
        Of the background region, relative to that of the source.
    """

    exposure_s: float
    off_axis_arcmin: float
    flux: float
    background_level: float
    background_area: float


def draw_detections(rms: float, rng: np.random.Generator) -> list[SimulatedDetection]:
    """The detections of one source of a given fractional rms."""
    law = load_toml("observation.toml")
    number = min(int(rng.geometric(1 - law["epochs"]["one_more"])), law["epochs"]["most"])
    return [_draw_detection(rms, law, rng) for _ in range(number)]


def _draw_detection(
    rms: float, law: dict[str, Any], rng: np.random.Generator
) -> SimulatedDetection:
    exposure, axis, background = law["exposure"], law["off_axis"], law["background"]
    return SimulatedDetection(
        exposure_s=1e3 * _log_uniform(exposure["low_ks"], exposure["high_ks"], rng),
        off_axis_arcmin=axis["high_arcmin"] * rng.uniform() ** axis["power"],
        flux=float(varying(rms, 1, rng)[0]),
        background_level=10 ** rng.normal(0.0, background["scatter_dex"]),
        background_area=rng.uniform(background["area_low"], background["area_high"]),
    )


def draw_counts(rng: np.random.Generator) -> float:
    """Expected counts of a source in a detection of mean flux and exposure."""
    law = load_toml("observation.toml")["counts"]
    return _log_uniform(law["low"], law["high"], rng)


def counts_range() -> tuple[float, float]:
    """The fewest and the most expected counts of a detection."""
    law = load_toml("observation.toml")["counts"]
    return law["low"], law["high"]


def vignetting(energy_kev: Floats, off_axis_arcmin: Floats) -> Floats:
    """Effective area relative to that on the axis (n, e)."""
    law = load_toml("observation.toml")["vignetting"]
    loss = law["at_zero_kev"] + law["per_kev"] * energy_kev
    square = np.asarray(off_axis_arcmin)[:, None] ** 2 / 100
    return np.clip(1 - loss * square, 0.05, 1.0)


def background_rate(grid: Grid, off_axis_arcmin: Floats) -> Floats:
    """Typical background counts per second in the source region, in the bins of a grid (n, p)."""
    law = load_toml("observation.toml")
    shape, region = law["background"], law["region"]
    density = shape["flat"] + shape["sky"] * np.exp(-grid.centres / shape["sky_kev"])
    rate = density * grid.widths
    for energy, sigma, total in shape["lines"]:
        rate = rate + total * np.diff(ndtr((grid.edges - energy) / sigma))
    radius = (
        region["on_axis_arcsec"]
        + region["per_square_arcmin2_arcsec"] * np.asarray(off_axis_arcmin) ** 2
    )
    return np.outer(np.pi * radius**2, rate)


def varying(rms: float, size: int, rng: np.random.Generator) -> Floats:
    """Positive numbers (size,) of mean one and fractional rms `rms`, log-normal."""
    sigma = np.sqrt(np.log1p(rms**2))
    return np.exp(rng.normal(-(sigma**2) / 2, sigma, size))


def variability_index(counts: float, rms: float, rng: np.random.Generator) -> float:
    """How surely a detection varies: -log10 of the chance that a constant source looks so.

    From the dispersion of counts in equal bins of time, 10 at most. Like the index of the
    Chandra Source Catalog it grows with variability and with counts; it is not the same test.
    """
    bins = load_toml("observation.toml")["light_curve"]["bins"]
    seen = rng.poisson(counts / bins * varying(rms, bins, rng))
    mean = seen.mean()
    if mean == 0:
        return 0.0
    chance = chdtrc(bins - 1, ((seen - mean) ** 2 / mean).sum())
    return float(-np.log10(max(chance, 10**-MAX_INDEX)))


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
