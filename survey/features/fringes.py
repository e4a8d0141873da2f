"""Fringes: waves proportional to the flux, and the errors of lines that they cause.

Interference in the instrument leaves waves of about a percent in the spectrum. Beside a line they
add to the noise. Under a bright line they scale the line itself, and are then its largest error.
Their amplitude is measured in the continuum of the same spectrum: in each stretch, waves that are
periodic in wavenumber are fitted one after the other while they are above the noise. Fringes of
extended and of point-like light differ, so the phase in the continuum is not used for the line: the
error is that of a random phase.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft
from scipy.linalg import LinAlgError, solveh_banded

from survey.errors import DataError
from survey.features.spectrum import Bools, Floats, Ints, Spectrum
from survey.spectra.constants import MEDIAN_ABS_PER_SIGMA

Waves = NDArray[np.complex128]

PERIODS_FWHM = (1.2, 7.0)
"""Periods in widths of a line. Shorter ones average out; longer ones look like continuum."""

CONTINUUM_PERIOD_FWHM = 14.0
"""Structure of which half passes into the smooth continuum; narrow PAH bands are longer."""

STRETCH_FWHM = 256.0
MIN_STRETCH_SAMPLES = 64
OVERSAMPLING = 3
"""Trial frequencies per independent frequency."""

GRID_PER_SAMPLE = 3
MAX_WAVES = 6

DETECTION_POWER = 10.0
"""Power over that of noise, which noise alone exceeds in about one stretch in a hundred."""

OUTLIER_SIGMA = 4.0
CLIP_ROUNDS = 2


@dataclass(frozen=True)
class Fringes:
    """Waves found in one spectrum.

    Attributes
    ----------
    waves : complex array (W, L)
        Amplitude, as a fraction of the flux, and phase at each sample.
    continuum : array (L,)
        The spectrum without lines, noise and waves, per micron.
    """

    waves: Waves
    continuum: Floats

    def removed_from(self, spectrum: Spectrum) -> Spectrum:
        """The spectrum with a quiet continuum."""
        pattern = self.continuum * self.waves.real.sum(axis=0)
        return replace(spectrum, flux=spectrum.flux - pattern)

    def error(self, spectrum: Spectrum, kernel: Floats, index: Ints) -> Floats:
        """Error of features that waves of random phase would cause, shape (M,).

        Parameters
        ----------
        kernel : array (M, K)
            Weights of the samples of which each feature is the sum.
        index : int array (M, K)
            Positions of those samples in the spectrum.
        """
        response = np.einsum("mk,wmk->wm", kernel, (self.waves * spectrum.flux)[:, index])
        return np.sqrt(np.sum(np.abs(response) ** 2, axis=0) / 2)


def find_fringes(spectrum: Spectrum, free: Bools) -> Fringes:
    """Fit waves to the `free` samples, those without lines."""
    waves = np.zeros((MAX_WAVES, spectrum.wavelength_um.size), np.complex128)
    if free.sum() < MIN_STRETCH_SAMPLES:
        return Fringes(waves[:0], np.zeros(spectrum.wavelength_um.shape))
    continuum, used = _smooth_continuum(spectrum, free)
    for stretch in _stretches(spectrum):
        for row, wave in enumerate(_waves(spectrum, continuum, used, stretch)):
            waves[row, stretch] = wave
    return Fringes(waves[waves.any(axis=1)], continuum)


def _smooth_continuum(spectrum: Spectrum, free: Bools) -> tuple[Floats, Bools]:
    """Samples smoothed by a penalty on curvature, the same everywhere in terms of line widths.

    Also returned are the samples that follow it, which those at the edge of a narrow PAH band
    or in an unknown line do not.
    """
    step = np.diff(spectrum.edges_um) / spectrum.line_fwhm_um
    used = free
    for _ in range(CLIP_ROUNDS):
        continuum = _smoothed(spectrum.flux, step, used)
        residual = np.abs(spectrum.flux - continuum)
        limit = OUTLIER_SIGMA * np.median(residual[used]) / MEDIAN_ABS_PER_SIGMA
        used = free & (residual <= limit)
    return continuum, used


def _smoothed(values: Floats, step: Floats, used: Bools) -> Floats:
    """Minimise the integral of (values - smooth)^2 + stiffness * (second derivative)^2.

    As a filter this has the response 1 / (1 + stiffness * omega^4).
    """
    stiffness = (CONTINUUM_PERIOD_FWHM / (2 * np.pi)) ** 4
    weight = stiffness / step[1:-1] ** 3
    bands = np.zeros((3, values.size))
    bands[0] = step * used
    # Products of the rows (1, -2, 1) of the second difference.
    for row, first in enumerate((1.0, -2.0, 1.0)):
        for column, second in enumerate((1.0, -2.0, 1.0)[row:], start=row):
            bands[column - row, row : row + weight.size] += first * second * weight
    try:
        smooth = solveh_banded(bands, step * used * values, lower=True)
    except LinAlgError:
        raise DataError(
            "no smooth continuum can be found: the steps of the wavelengths are too uneven",
            expected="steps of about the same width in line widths",
            found=f"{step.min():.3g} to {step.max():.3g} line widths",
            advice="Look at the wavelengths of the cube",
        ) from None
    return np.asarray(smooth, dtype=np.float64)


def _stretches(spectrum: Spectrum) -> Iterator[slice]:
    """Equal parts of the spectrum, in terms of line widths."""
    place = np.cumsum(np.diff(spectrum.edges_um) / spectrum.line_fwhm_um)
    count = max(1, round(place[-1] / STRETCH_FWHM))
    borders = np.searchsorted(place, np.linspace(0, place[-1], count + 1))
    borders[-1] = place.size
    for start, stop in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        yield slice(start, stop)


def _waves(spectrum: Spectrum, continuum: Floats, used: Bools, stretch: slice) -> Iterator[Waves]:
    """Significant waves of one stretch, the strongest first, at all samples of the stretch."""
    use = used[stretch]
    if use.sum() < MIN_STRETCH_SAMPLES:
        return
    wavenumber = 1 / spectrum.wavelength_um[stretch]
    level = continuum[stretch]
    rest = (spectrum.flux[stretch] - level)[use]
    norm = level[use] @ level[use]
    noise_power = 4 * _noise_variance(rest) / norm
    search = _Periodogram.over(wavenumber, _periods(spectrum, stretch))
    for _ in range(MAX_WAVES):
        cycles = search.strongest(use, level[use] * rest)
        wave = np.exp(2j * np.pi * cycles * wavenumber)
        amplitude = 2 * np.sum(level[use] * rest * wave[use].conj()) / norm
        power = np.abs(amplitude) ** 2
        if not power > DETECTION_POWER * noise_power:
            return
        wave *= amplitude
        rest = rest - level[use] * wave.real[use]
        yield wave * np.sqrt(1 - noise_power / power)


def _periods(spectrum: Spectrum, stretch: slice) -> tuple[float, float]:
    """The shortest and the longest period in wavenumber, in the middle of the stretch."""
    wavelength = spectrum.wavelength_um[stretch]
    middle = (wavelength[0] + wavelength[-1]) / 2
    width = spectrum.line_fwhm_at(np.array([middle]))[0] / middle**2
    return PERIODS_FWHM[0] * width, PERIODS_FWHM[1] * width


@dataclass(frozen=True)
class _Periodogram:
    """Fourier transform of values at uneven wavenumbers, by way of a much finer even grid.

    `bins` are the places of the samples on the grid, `spacing` the step in frequency, in cycles
    per unit of wavenumber; `lowest` and `highest` limit the search.
    """

    bins: Ints
    size: int
    spacing: float
    lowest: int
    highest: int

    @classmethod
    def over(cls, wavenumber: Floats, periods: tuple[float, float]) -> _Periodogram:
        grid_step = np.median(-np.diff(wavenumber)) / GRID_PER_SAMPLE
        bins = np.rint((wavenumber.max() - wavenumber) / grid_step).astype(np.intp)
        size = next_fast_len(OVERSAMPLING * (int(bins.max()) + 1), real=True)
        spacing = 1 / (size * grid_step)
        lowest, highest = (round(1 / period / spacing) for period in reversed(periods))
        return cls(bins, size, spacing, max(lowest, 1), min(highest, size // 2))

    def strongest(self, use: Bools, values: Floats) -> float:
        """Frequency of the highest power within the limits."""
        grid = np.bincount(self.bins[use], values, minlength=self.size)
        power = np.abs(rfft(grid))[self.lowest : self.highest + 1]
        return (self.lowest + int(np.argmax(power))) * self.spacing


def _noise_variance(residual: Floats) -> float:
    """Variance of noise as it counts in sums of samples, correlated between neighbours.

    From second differences, which waves hardly affect: their variance and first covariance
    give those of the noise, if that is correlated between direct neighbours alone.
    """
    difference = np.diff(residual, 2)
    limit = OUTLIER_SIGMA * np.median(np.abs(difference)) / MEDIAN_ABS_PER_SIGMA
    difference = np.clip(difference, -limit, limit)
    variance = float(np.mean(difference**2))
    covariance = float(np.mean(difference[1:] * difference[:-1]))
    return max(1.5 * variance + 2 * covariance, variance / 6)
