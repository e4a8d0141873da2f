"""A matched filter: the significance of every bright line at any trial velocity.

At each trial position a Gaussian of the width expected of a line is fitted on a straight
continuum. In contrast to the integral over a window, the response has one sharp peak where
the line is, and (as it would not with a curved continuum) no positive side lobes. The same fit
where no bright line can be gives the noise, with fringes, correlations and the curvature of
the continuum in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalogs.reference import Line
from survey.features.empirical_noise import ONE_SIGMA_PERCENT, nearest
from survey.features.spectrum import Floats, Spectrum, wavelengths_of
from survey.spectra.constants import FWHM_PER_SIGMA, LIGHT_KM_S

TEMPLATE_FWHM = 3.0
"""How far a fit reaches from its centre."""

CONTINUUM_DEGREE = 1
MIN_COVERED = 0.8
"""Fraction of the samples of a fit, on each side of the line too, that must be observed."""

STEP_KM_S = 25.0
MARGIN_KM_S = 250.0
"""Scanned beyond the limit, so that what rises towards it is not taken for a peak."""

BLANK_STEP_FWHM = 0.5
NEAREST_BLANKS = 80


@dataclass(frozen=True)
class Peak:
    """A line seen in a scan: where it is, and how significant."""

    velocity_km_s: float
    error_km_s: float
    snr: float


@dataclass(frozen=True)
class Scan:
    """S/N of lines against velocity.

    Attributes
    ----------
    lines : sequence of Line, length M
    velocity_km_s : array (V,)
    snr : array (M, V)
        -inf where a line cannot be fitted.
    fwhm_km_s : array (M,)
        Widths expected of the lines.
    """

    lines: Sequence[Line]
    velocity_km_s: Floats
    snr: Floats
    fwhm_km_s: Floats

    def peaks(self, row: int, snr_min: float) -> list[Peak]:
        """Maxima of one line with at least some S/N.

        A stellar line has shoulders on both sides, lower than it is deep: where there may be
        one, those are not maxima.
        """
        snr = self.snr[row]
        if self.lines[row].absorption_um:
            snr_min = max(snr_min, -float(np.min(snr, where=np.isfinite(snr), initial=0.0)))
        inner = snr[1:-1]
        top = (inner >= snr_min) & (inner >= snr[:-2]) & (inner > snr[2:])
        return [self._peak(row, int(column)) for column in np.flatnonzero(top) + 1]

    def _peak(self, row: int, column: int) -> Peak:
        left, height, right = self.snr[row, column - 1 : column + 2].tolist()
        # The top of the parabola through three points, as far as there are three.
        curvature = left + right - 2 * height
        offset = (left - right) / curvature / 2 if np.isfinite(curvature) else 0.0
        return Peak(
            velocity_km_s=float(self.velocity_km_s[column] + offset * STEP_KM_S),
            # The Cramer-Rao bound for the centre of a Gaussian.
            error_km_s=float(np.sqrt(2) * self.fwhm_km_s[row] / FWHM_PER_SIGMA / height),
            snr=height,
        )


def scan_lines(spectrum: Spectrum, lines: Sequence[Line], limit_km_s: float) -> Scan:
    """Look for the bright ones of `lines` at velocities up to a limit, either way."""
    steps = int(np.ceil((limit_km_s + MARGIN_KM_S) / STEP_KM_S))
    velocity = STEP_KM_S * np.arange(-steps, steps + 1, dtype=np.float64)
    bright = [line for line in lines if line.bright]
    covered = spectrum.covers(wavelengths_of(bright))
    bright = [line for line, inside in zip(bright, covered, strict=True) if inside]
    rest = wavelengths_of(bright)
    centre = np.outer(rest, 1 + velocity / LIGHT_KM_S)
    noise = _noise_at(spectrum, centre.ravel(), rest, limit_km_s)
    with np.errstate(invalid="ignore", divide="ignore"):
        snr = (_fitted_flux(spectrum, centre.ravel()) / noise).reshape(centre.shape)
    return Scan(
        lines=bright,
        velocity_km_s=velocity,
        snr=np.where(np.isfinite(snr), snr, -np.inf),
        fwhm_km_s=spectrum.line_fwhm_at(rest) / rest * LIGHT_KM_S,
    )


def _noise_at(spectrum: Spectrum, centre: Floats, rest: Floats, limit_km_s: float) -> Floats:
    """What the fit gives where no bright line can be, nearest to each centre."""
    blank = spectrum.spaced(BLANK_STEP_FWHM)
    reach = TEMPLATE_FWHM * spectrum.line_fwhm_at(rest) + rest * limit_km_s / LIGHT_KM_S
    empty = np.all(np.abs(blank[:, np.newaxis] - rest) > reach, axis=1)
    flux = np.abs(_fitted_flux(spectrum, blank))
    valid = empty & np.isfinite(flux)
    near = nearest(blank[valid], flux[valid], centre, NEAREST_BLANKS)
    return np.percentile(near, ONE_SIGMA_PERCENT, axis=1)


def _fitted_flux(spectrum: Spectrum, centre: Floats) -> Floats:
    """Flux of a Gaussian fitted at each centre, to a constant factor; NaN where impossible."""
    wavelength = spectrum.wavelength_um
    fwhm = spectrum.line_fwhm_at(centre)
    step = np.interp(centre, wavelength, np.diff(spectrum.edges_um))
    reach = int(min(np.ceil(np.max(TEMPLATE_FWHM * fwhm / step, initial=1.0)), wavelength.size))
    index = np.searchsorted(wavelength, centre)[:, np.newaxis] + np.arange(-reach, reach + 1)
    inside = (index >= 0) & (index < wavelength.size)
    index = np.clip(index, 0, wavelength.size - 1)

    distance = (wavelength[index] - centre[:, np.newaxis]) / fwhm[:, np.newaxis]
    used = inside & (np.abs(distance) <= TEMPLATE_FWHM) & spectrum.good[index]
    template = np.exp(-4 * np.log(2) * distance**2) * used
    kernel = template.copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        for power in _orthonormal_powers(distance, used):
            kernel -= np.sum(kernel * power, axis=1, keepdims=True) * power
        flux = np.sum(kernel * spectrum.flux[index], axis=1) * fwhm
        flux /= np.sum(kernel * template, axis=1)
    wanted = MIN_COVERED * TEMPLATE_FWHM * fwhm / step
    fewest = np.minimum((used & (distance < 0)).sum(axis=1), (used & (distance > 0)).sum(axis=1))
    return np.where(fewest >= wanted, flux, np.nan)


def _orthonormal_powers(distance: Floats, used: Floats) -> list[Floats]:
    """Polynomials orthonormal over the used samples of each row, by Gram and Schmidt."""
    powers: list[Floats] = []
    for degree in range(CONTINUUM_DEGREE + 1):
        power = distance**degree * used
        for lower in powers:
            power = power - np.sum(power * lower, axis=1, keepdims=True) * lower
        powers.append(power / np.sqrt(np.sum(power**2, axis=1, keepdims=True)))
    return powers
