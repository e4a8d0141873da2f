"""All features of one spectrum: what is measured, what is detected, what is only a limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from catalogs.reference import Band, Line
from survey.config import FeatureSettings
from survey.features.continuum import RawFlux
from survey.features.lines import (
    Blanks,
    LineWindows,
    free_samples,
    integrate_blanks,
    integrate_lines,
    line_windows,
)
from survey.features.pah import integrate_band
from survey.features.spectrum import Bools, Spectrum, observed_spectrum


@dataclass(frozen=True)
class Measurement:
    """A line or a band in one spectrum, fluxes in `line_flux_unit`.

    Attributes
    ----------
    name : str
        As in the reference tables.
    flux : float
        Flux if detected, else the upper limit (and `limit` is set); NaN if not measurable.
    error : float
        One sigma: the larger of the empirical and the propagated error.
    error_propagated : float
        From the errors of the spectrum alone, samples taken as independent.
    snr : float
        Measured flux over `error`, below the detection threshold and negative as well.
    detected, limit : bool
        Never both; neither if not measurable.
    continuum : float
        Level under the middle of the feature, in the unit of the spectrum.
    blended : bool
        A neighbour takes part of the integration window, or one that broad lines reach
        into is detected.
    edge : bool
        The continuum or the window is cut by the end of the spectrum or by missing data.
    """

    name: str
    flux: float
    error: float
    error_propagated: float
    snr: float
    detected: bool
    limit: bool
    continuum: float
    blended: bool = False
    edge: bool = False


def measure_features(
    wavelength_um: ArrayLike,
    spectrum: ArrayLike,
    error: ArrayLike,
    *,
    flux_unit: str,
    lines: Sequence[Line],
    bands: Sequence[Band],
    settings: FeatureSettings,
    redshift: float,
    resolving_power: ArrayLike | None = None,
) -> tuple[Measurement, ...]:
    """Measure every line, then every band; those out of range give NaN.

    Parameters
    ----------
    wavelength_um : array (L,)
        Rest-frame vacuum wavelengths, increasing.
    spectrum, error : array (L,)
        Observed flux density or surface brightness and its 1-sigma error, in `flux_unit`;
        NaN where there is none.
    redshift : float
        That by which the wavelengths were brought to rest; fluxes are those received.
    resolving_power : float or array (L,), optional
        Wavelength over FWHM of the instrument; two samples per FWHM if not given.

    Raises
    ------
    DataError
        If the arrays are not those of a spectrum or the unit is no flux density.
    """
    observed = observed_spectrum(
        wavelength_um,
        spectrum,
        error,
        flux_unit=flux_unit,
        redshift=redshift,
        resolving_power=resolving_power,
    )
    free = free_samples(observed, lines)
    blanks = integrate_blanks(observed, free)
    windows = line_windows(observed, lines)
    raw_lines = integrate_lines(observed, windows, free, blanks)
    raw_bands = _integrate_bands(observed, bands, lines, windows, raw_lines, free, blanks)

    judged = [
        _judged(observed, line.name, line.wavelength_um, raw, settings)
        for line, raw in zip(lines, raw_lines, strict=True)
    ]
    detected = {item.name for item in judged if item.detected}
    return (
        *(
            replace(item, blended=bool(narrowed or detected.intersection(line.blend)))
            for item, line, narrowed in zip(judged, lines, windows.narrowed, strict=True)
        ),
        *(
            _judged(observed, band.name, float(np.mean(band.integration_um)), raw, settings)
            for band, raw in zip(bands, raw_bands, strict=True)
        ),
    )


def feature_columns(measurements: Iterable[Measurement]) -> dict[str, float | bool]:
    """Catalog columns of one spectrum: flux, adopted and propagated error, S/N, limit flag."""
    columns: dict[str, float | bool] = {}
    for item in measurements:
        columns[f"flux_{item.name}"] = item.flux
        columns[f"err_{item.name}"] = item.error
        columns[f"errprop_{item.name}"] = item.error_propagated
        columns[f"snr_{item.name}"] = item.snr
        columns[f"limit_{item.name}"] = item.limit
    return columns


def _integrate_bands(
    spectrum: Spectrum,
    bands: Sequence[Band],
    lines: Sequence[Line],
    windows: LineWindows,
    raw_lines: Sequence[RawFlux],
    free: Bools,
    blanks: Blanks,
) -> list[RawFlux]:
    position = {line.name: index for index, line in enumerate(lines)}
    # Noise is never taken to be better than independent, nor known worse without blanks.
    middles = np.array([np.mean(band.integration_um) for band in bands])
    inflation = np.fmax(blanks.inflation_near(middles), 1.0)
    return [
        integrate_band(
            spectrum,
            band,
            free,
            masked_um=[
                (float(windows.low_um[k]), float(windows.high_um[k]))
                for k in map(position.get, band.mask)
                if k is not None
            ],
            subtracted=[raw_lines[position[name]] for name in band.subtract if name in position],
            inflation=float(factor),
        )
        for band, factor in zip(bands, inflation, strict=True)
    ]


def _judged(
    spectrum: Spectrum, name: str, middle_um: float, raw: RawFlux, settings: FeatureSettings
) -> Measurement:
    """Detection, or else an upper limit."""
    error = raw.error
    if not (np.isfinite(raw.flux) and error > 0):
        return Measurement(
            name, np.nan, np.nan, np.nan, np.nan, False, False, np.nan, edge=raw.edge
        )
    snr = raw.flux / error
    detected = snr >= settings.detection_sigma
    per_micron = np.interp(middle_um, spectrum.wavelength_um, spectrum.per_micron)
    return Measurement(
        name=name,
        flux=raw.flux if detected else settings.upper_limit_sigma * error,
        error=error,
        error_propagated=raw.error_propagated,
        snr=snr,
        detected=detected,
        limit=not detected,
        continuum=float(raw.continuum / per_micron),
        edge=raw.edge,
    )
