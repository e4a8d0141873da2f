"""All features of one spectrum: measurements, detections, limits and quality bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from catalogs.flags import FeatureFlag
from catalogs.reference import Band, Line, load_pah_profiles
from survey.config import FeatureSettings
from survey.features.background import Background
from survey.features.continuum import RawFlux
from survey.features.limits import upper_limit
from survey.features.lines import MeasuredLine, measure_lines
from survey.features.on_band import lines_on_bands
from survey.features.pah import integrate_band
from survey.features.silicate import SilicateStrength, silicate_strength
from survey.features.slope import Slope, continuum_slope
from survey.features.spectrum import Bools, Spectrum
from survey.features.velocity import (
    VELOCITY_LIMIT_KM_S,
    PlacedLine,
    Velocity,
    find_velocity,
    place_lines,
)
from survey.features.width import USUAL_WIDTH, LineWidth, find_width

CONTINUUM_SIGMA = 3.0
"""A continuum less significant than this gives no equivalent width."""


@dataclass(frozen=True)
class Measurement:
    """A line or a band in one spectrum, fluxes in `line_flux_unit`.

    Attributes
    ----------
    name : str
        As in the reference tables.
    flux : float
        As measured, below the detection threshold and negative as well; NaN if not measurable.
    error : float
        One sigma: the larger of the empirical and the propagated error.
    error_propagated : float
        From the errors of the spectrum alone, samples taken as independent.
    limit : float
        What the true flux is below, see `survey.features.limits`; given for detections too.
    detected : bool
    continuum : float
        Level under the middle of the feature, in the unit of the spectrum.
    equivalent_width, equivalent_width_error : float
        Flux over continuum in micron of rest-frame wavelength, positive for emission; NaN where
        the continuum itself is not significant.
    blended : bool
        A neighbour takes part of the integration window, or one that broad lines reach
        into is detected.
    edge : bool
        The continuum or the window is cut by the end of the spectrum or by missing data.
    fitted : bool
        A joint fit with its neighbours divided the flux, or gave the limit.
    displaced : bool
        Found, and measured, out of place against the velocity of the spectrum.
    absorbed : bool
        Most of the flux makes up for the light that stars are taken to absorb under the line.
    broad : bool
        Broader than its window was made for: some of its flux is outside.
    on_band : bool
        Cannot be told from the PAH band it stands on, and is no detection; of a band: may hold
        light of such a line.
    velocity_km_s : float
        Velocity of the line against the given redshift, NaN if the line is too faint.
    """

    name: str
    flux: float
    error: float
    error_propagated: float
    limit: float
    detected: bool
    continuum: float
    equivalent_width: float
    equivalent_width_error: float
    blended: bool = False
    edge: bool = False
    fitted: bool = False
    displaced: bool = False
    absorbed: bool = False
    broad: bool = False
    on_band: bool = False
    velocity_km_s: float = np.nan

    @property
    def snr(self) -> float:
        """Measured flux over its error."""
        return self.flux / self.error

    def scaled(self, factor: float) -> Measurement:
        """The same in another unit of flux."""
        return replace(
            self,
            flux=self.flux * factor,
            error=self.error * factor,
            error_propagated=self.error_propagated * factor,
            limit=self.limit * factor,
        )

    @property
    def quality(self) -> int:
        """Its quality bits, as in the catalog."""
        holds = {
            FeatureFlag.BLENDED: self.blended,
            FeatureFlag.FITTED: self.fitted,
            FeatureFlag.DISPLACED: self.displaced,
            FeatureFlag.EDGE: self.edge,
            FeatureFlag.ABSORBED: self.absorbed,
            FeatureFlag.BROAD: self.broad,
            FeatureFlag.ON_BAND: self.on_band,
        }
        return sum(int(flag) for flag, is_set in holds.items() if is_set)


NOT_MEASURED = Measurement(
    name="",
    flux=np.nan,
    error=np.nan,
    error_propagated=np.nan,
    limit=np.nan,
    detected=False,
    continuum=np.nan,
    equivalent_width=np.nan,
    equivalent_width_error=np.nan,
)


@dataclass(frozen=True)
class MeasuredSpectrum:
    """All that is measured in one spectrum; fluxes in `line_flux_unit`."""

    velocity: Velocity
    width: LineWidth
    features: tuple[Measurement, ...]
    slope: Slope
    silicate: SilicateStrength


def measure_spectrum(
    spectrum: Spectrum,
    lines: Sequence[Line],
    bands: Sequence[Band],
    slope_windows_um: Sequence[tuple[float, float]],
    settings: FeatureSettings,
) -> MeasuredSpectrum:
    """Find the velocity and the width of the lines, then measure lines, bands and slope."""
    search_km_s = settings.velocity_limit_km_s
    velocity = find_velocity(spectrum, lines, search_km_s)
    moving = spectrum.displaced(velocity.velocity_km_s)
    width = find_width(moving, lines, search_km_s=search_km_s, limit_km_s=settings.width_limit_km_s)
    return MeasuredSpectrum(
        velocity,
        width,
        measure_features(moving, lines, bands, settings, width=width, search_km_s=search_km_s),
        continuum_slope(spectrum, slope_windows_um, lines),
        silicate_strength(spectrum, lines),
    )


def measure_features(
    spectrum: Spectrum,
    lines: Sequence[Line],
    bands: Sequence[Band],
    settings: FeatureSettings,
    *,
    width: LineWidth = USUAL_WIDTH,
    search_km_s: float = VELOCITY_LIMIT_KM_S,
) -> tuple[Measurement, ...]:
    """Measure every line, then every band; those out of range give NaN.

    Bright lines that are significantly out of place are measured where they are, and marked.

    Parameters
    ----------
    spectrum : Spectrum
        At the velocity of its lines.
    lines : sequence of Line
    bands : sequence of Band
    settings : FeatureSettings
    width : LineWidth
        Of the lines, as from `find_width`; windows are made for it.
    search_km_s : float
        How far beyond single lines may be out of place; 0 to leave all where they should be.
    """
    velocity_km_s = spectrum.velocity_km_s
    observed = spectrum.displaced(velocity_km_s, width.intrinsic_km_s)
    placed = place_lines(observed, lines, search_km_s)
    lines = [place.line for place in placed]
    background = Background.of(observed, lines)
    measured = measure_lines(background, lines, settings.detection_sigma)
    on_band = lines_on_bands(observed, lines, load_pah_profiles())
    return (
        *(
            replace(
                item,
                broad=item.name in width.broad,
                on_band=bool(unclear),
                detected=item.detected and not unclear,
            )
            for item, unclear in zip(
                _judged_lines(observed, placed, measured, velocity_km_s, settings),
                on_band,
                strict=True,
            )
        ),
        *_judged_bands(background, bands, lines, measured, on_band, settings),
    )


def _judged_lines(
    spectrum: Spectrum,
    placed: Sequence[PlacedLine],
    measured: Sequence[MeasuredLine],
    velocity_km_s: float,
    settings: FeatureSettings,
) -> Iterator[Measurement]:
    judged = [
        _judged(
            spectrum,
            place.line.name,
            place.line.wavelength_um,
            _without_absorption(item.raw, place.line, settings),
            settings,
        )
        for place, item in zip(placed, measured, strict=True)
    ]
    detected = {item.name for item in judged if item.detected}
    for item, place, origin in zip(judged, placed, measured, strict=True):
        yield replace(
            item,
            blended=origin.narrowed or bool(detected.intersection(place.line.blend)),
            fitted=origin.fitted,
            displaced=place.displaced,
            absorbed=_absorbed(origin.raw, place.line, settings) > max(origin.raw.flux, 0.0),
            velocity_km_s=velocity_km_s + place.velocity_km_s,
        )


def _without_absorption(raw: RawFlux, line: Line, settings: FeatureSettings) -> RawFlux:
    """The flux as it would be without the stellar line under it, which adds to its error."""
    if not line.absorption_um or not settings.stellar_absorption:
        return raw
    unsure = line.absorption_err_um * raw.continuum
    return replace(
        raw,
        flux=raw.flux + _absorbed(raw, line, settings),
        error_empirical=float(np.hypot(raw.error, unsure)),
    )


def _absorbed(raw: RawFlux, line: Line, settings: FeatureSettings) -> float:
    """Flux that stars usually take from a line above a continuum like this one."""
    return line.absorption_um * max(raw.continuum, 0.0) * settings.stellar_absorption


def _judged_bands(
    background: Background,
    bands: Sequence[Band],
    lines: Sequence[Line],
    measured: Sequence[MeasuredLine],
    on_band: Bools,
    settings: FeatureSettings,
) -> Iterator[Measurement]:
    by_name = {line.name: item for line, item in zip(lines, measured, strict=True)}
    unclear = {line.name for line, is_on in zip(lines, on_band, strict=True) if is_on}
    for band in bands:
        raw = integrate_band(
            background,
            band,
            masked_um=[
                by_name[name].window_um for name in band.mask if name in by_name.keys() - unclear
            ],
            subtracted=[
                by_name[name].raw for name in band.subtract if name in by_name.keys() - unclear
            ],
        )
        middle_um = float(np.mean(band.integration_um))
        item = _judged(background.spectrum, band.name, middle_um, raw, settings)
        yield replace(item, on_band=bool(unclear.intersection(band.subtract + band.mask)))


def _judged(
    spectrum: Spectrum, name: str, middle_um: float, raw: RawFlux, settings: FeatureSettings
) -> Measurement:
    """The measured flux, whether it is a detection, and what the true one is below."""
    error = raw.error
    if not (np.isfinite(raw.flux) and error > 0):
        return replace(NOT_MEASURED, name=name, edge=raw.edge)
    per_micron = np.interp(middle_um, spectrum.wavelength_um, spectrum.per_micron)
    width, width_error = _equivalent_width(raw)
    return Measurement(
        name=name,
        flux=raw.flux,
        error=error,
        error_propagated=raw.error_propagated,
        limit=float(upper_limit(raw.flux, error, settings.upper_limit_sigma)),
        detected=raw.flux >= settings.detection_sigma * error,
        continuum=float(raw.continuum / per_micron),
        equivalent_width=width,
        equivalent_width_error=width_error,
        edge=raw.edge,
    )


def _equivalent_width(raw: RawFlux) -> tuple[float, float]:
    """Flux over continuum in micron, and its standard error."""
    if not raw.continuum > CONTINUUM_SIGMA * raw.continuum_error:
        return np.nan, np.nan
    width = raw.flux / raw.continuum
    # A continuum that is too high makes the flux too small by as much as the window is wide.
    from_continuum = width * (width + 2 * raw.width_um) * raw.continuum_error**2
    variance = raw.error**2 + max(from_continuum, 0.0)
    return width, float(np.sqrt(variance) / raw.continuum)
