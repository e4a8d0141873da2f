"""Spectra of the parts of a galaxy: continuum of dust or stars, PAH bands and emission lines.

Shapes and ratios are data (`components.toml`, `components_optical.toml`); wavelengths come from the
catalogues of lines and bands. Everything is scaled to a continuum of 1 MJy/sr at the pivot
wavelength, rest frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from catalogs.reference import packaged_reference
from survey.errors import ConfigError
from survey.simulate.instruments import FILES, MRS, load_toml
from survey.spectra.constants import LIGHT_UM_S

Array = NDArray[np.float64]

MJY_IN_W_M2_HZ = 1e-20
_PLANCK_UM_K = 14_387.769  # h c / k

HARD_EV = 35.0
"""Ions with a higher ionisation potential have a common scatter: the same hard radiation."""

BAND_SCATTER_DEX = 0.08
"""Of the PAH bands relative to the 12.7 micron complex, among regions of one kind."""

SIGNED = frozenset({"power_law_index"})
"""Quantities drawn evenly; all others are positive, and drawn evenly in the logarithm."""


@dataclass(frozen=True)
class Drude:
    """One profile of a PAH band; `power` is relative to the 12.7 micron complex."""

    band: str
    centre_um: float
    fwhm_um: float
    power: float


@dataclass(frozen=True)
class EmissionLine:
    """One line; `ratio` is its flux relative to the reference line.

    `potential_ev` is the energy that makes the ion, NaN for molecules; `absorbed`, whether stars
    have the line in absorption.
    """

    name: str
    wavelength_um: float
    ratio: float
    potential_ev: float
    absorbed: bool = False


@dataclass(frozen=True)
class Range:
    """What a quantity is in most regions of a kind; `name` is a line, or a field of `Spectrum`."""

    name: str
    low: float
    high: float

    def at(self, place: float) -> float:
        """The value at a place between 0 and 1."""
        if self.name in SIGNED:
            return self.low + place * (self.high - self.low)
        return float(self.low * (self.high / self.low) ** place)


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of one kind of region, as described in the data files.

    `added` are lines with random numbers of their own, so that galaxies have the same lines
    of channel 3 with them and without.
    """

    name: str
    class_name: str
    power_law_index: float
    thermal_fraction: float
    temperature_k: float
    emissivity: float
    line_ew_um: float
    band_ew_um: float
    lines: tuple[EmissionLine, ...]
    ranges: tuple[Range, ...]
    drudes: tuple[Drude, ...]
    pivot_um: float
    reference_um: float
    added: frozenset[str]
    absorption_um: float = 0.0

    def continuum(self, rest_um: Array) -> Array:
        """Continuum F_nu, 1 at the pivot wavelength."""
        power_law = (rest_um / self.pivot_um) ** self.power_law_index
        thermal = self._black_body(rest_um) / self._black_body(np.asarray(self.pivot_um))
        return (1 - self.thermal_fraction) * power_law + self.thermal_fraction * thermal

    def bands(self, rest_um: Array) -> Array:
        """Sum of the PAH bands, in units of the continuum at the pivot wavelength."""
        total = np.zeros_like(rest_um)
        for drude, power in zip(self.drudes, self._band_powers(), strict=True):
            width = drude.fwhm_um / drude.centre_um
            detuning = rest_um / drude.centre_um - drude.centre_um / rest_um
            peak = power * drude.centre_um / (np.pi / 2 * width * LIGHT_UM_S)
            total += peak * width**2 / (detuning**2 + width**2)
        return total

    def line_fluxes(self) -> Array:
        """Fluxes of the lines, in Hz: to be multiplied by the continuum F_nu at the pivot.

        What stars absorb is taken off, with the width of the emission.
        """
        ratios = np.array([line.ratio for line in self.lines])
        absorbed = [
            self._power_of_width(self.absorption_um * line.absorbed, line.wavelength_um)
            for line in self.lines
        ]
        return ratios * self.reference_flux - np.array(absorbed)

    @property
    def reference_flux(self) -> float:
        """Flux of the reference line in the same unit, as the gas emits it."""
        return self._power_of_width(self.line_ew_um, self.reference_um)

    def varied(self, rng: np.random.Generator, dex: float) -> Spectrum:
        """The same kind of region in another galaxy: ratios and widths scattered by `dex`."""
        own = rng.spawn(1)[0]
        scattered = [line.name for line in self.lines if line.name not in self.added]
        *factors, of_line, of_band = 10 ** rng.normal(0.0, dex, len(scattered) + 2)
        factor = dict(zip(scattered, factors, strict=True))
        factor |= {name: 10 ** own.normal(0.0, dex) for name in sorted(self.added)}
        lines = tuple(
            line
            if line.wavelength_um == self.reference_um
            else replace(line, ratio=line.ratio * factor[line.name])
            for line in self.lines
        )
        return replace(
            self,
            lines=lines,
            line_ew_um=self.line_ew_um * of_line,
            band_ew_um=self.band_ew_um * of_band,
        )

    def anywhere(self, rng: np.random.Generator) -> Spectrum:
        """The same kind of region anywhere in its ranges.

        All ions of high potential take the same place in theirs: regions differ first of all
        in the hardness of what ionises them.
        """
        own = rng.spawn(1)[0]
        hardness = rng.uniform()
        hard = {line.name for line in self.lines if line.potential_ev > HARD_EV}
        values: dict[str, Any] = {
            item.name: item.at(
                hardness
                if item.name in hard
                else (own if item.name in self.added else rng).uniform()
            )
            for item in self.ranges
        }
        factors = {
            band: 10 ** rng.normal(0.0, BAND_SCATTER_DEX)
            for band in dict.fromkeys(drude.band for drude in self.drudes)
        }
        lines = tuple(replace(x, ratio=values.pop(x.name, x.ratio)) for x in self.lines)
        drudes = tuple(replace(x, power=x.power * factors[x.band]) for x in self.drudes)
        return replace(self, lines=lines, drudes=drudes, **values)

    def _black_body(self, rest_um: Array) -> Array:
        exponent = _PLANCK_UM_K / (rest_um * self.temperature_k)
        return rest_um ** -(3 + self.emissivity) / np.expm1(exponent)

    def _band_powers(self) -> Array:
        return np.array([d.power for d in self.drudes]) * self._power_of_width(
            self.band_ew_um, self.reference_um
        )

    def _power_of_width(self, width_um: float, rest_um: float) -> float:
        """Power (Hz) of an equivalent width measured at a wavelength."""
        level = float(self.continuum(np.asarray(rest_um)))
        return level * width_um * LIGHT_UM_S / rest_um**2


@cache
def load_spectrum(name: str, instrument: str = MRS) -> Spectrum:
    """The spectrum `name` in the range of an instrument.

    Raises
    ------
    ConfigError
        If there is no such spectrum, or it names a line that is not catalogued.
    """
    file = load_toml(FILES[instrument])["spectra"]
    table = load_toml(file)
    if name not in table["spectrum"]:
        raise ConfigError(
            "unknown component spectrum",
            file=file,
            expected=f"one of {', '.join(table['spectrum'])}",
            found=repr(name),
        )
    values = dict(table["spectrum"][name])
    catalogued = {line.name: line for line in packaged_reference().lines_of(table["line_set"])}
    ratios, ranges, class_name = (values.pop(key) for key in ("lines", "range", "class"))
    added = values.pop("channel_4", {})
    ratios = ratios | {line: ratio for line, (ratio, *_) in added.items()}
    ranges = ranges | {line: limits for line, (_, *limits) in added.items()}
    unknown = sorted(set(ratios) - set(catalogued))
    if unknown:
        raise ConfigError(
            "lines that are not in the list of lines",
            file=file,
            expected=f"names of the line set {table['line_set']!r}",
            found=", ".join(unknown),
        )
    return Spectrum(
        name=name,
        class_name=class_name,
        lines=tuple(
            EmissionLine(
                line,
                catalogued[line].wavelength_um,
                ratio,
                catalogued[line].ip_lower_ev,
                bool(catalogued[line].absorption_um),
            )
            for line, ratio in ratios.items()
        ),
        ranges=tuple(Range(item, low, high) for item, (low, high) in ranges.items()),
        drudes=_drudes(table["band_power"]),
        pivot_um=table["pivot_um"],
        reference_um=catalogued[table["reference_line"]].wavelength_um,
        added=frozenset(added),
        **values,
    )


def line_profile(edges_um: Array, centre_um: Array, sigma_um: Array) -> Array:
    """Share of a Gaussian line between consecutive plane edges.

    Parameters
    ----------
    edges_um : (n + 1,) array
        Edges of the planes.
    centre_um, sigma_um : (...) arrays
        Centre and standard deviation, of any one shape.

    Returns
    -------
    (n, ...) array
        Integrals over the planes; they sum to 1 over all wavelengths.
    """
    edges = edges_um.reshape(-1, *(1,) * np.ndim(centre_um))
    return np.diff(0.5 * erf((edges - centre_um) / (np.sqrt(2) * sigma_um)), axis=0)


def _drudes(powers: dict[str, list[float]]) -> tuple[Drude, ...]:
    return tuple(
        Drude(band.name, centre_um, fwhm_um, power)
        for band in packaged_reference().bands
        if band.name in powers
        for (centre_um, fwhm_um), power in zip(band.drudes, powers[band.name], strict=True)
    )
