"""Whether two mean spectra differ by more than noise, shift, width and the colour of a PSF.

The difference of two mean spectra is compared with what can make a difference although the light
has one shape. Fitted away are

- a shift below one sample and a change of width, each free to change along the spectrum: the first
  and second derivative of their mean, times 1 and times u (u = -1..1 along the spectrum);
- the smooth colours of a point-spread function that grows with wavelength: their mean times
  Legendre polynomials up to the third.

What is left is measured after smoothing, relative to the mean, and with its noise taken off: over
the whole spectrum, and in the emission lines that are at least twice as bright on one side. Lines
are a small part of a spectrum, and regions of other ionisation may differ in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, label, median_filter

from survey.clustering.walk.aligned import MeanSpectrum
from survey.spectra.constants import MEDIAN_ABS_PER_SIGMA
from survey.spectra.noise import spectral_noise

Reason = Literal["", "S/N", "shape", "colour", "dispersion", "limit"]
"""The test that a difference fails, or the limit of the number of clusters; empty if none."""

USUAL_EXCESS = 1.5
"""Noise of a mean over that of independent spaxels in resampled cubes, as thresholds have it."""

LINE_OVER_CONTINUUM = 0.1
"""A line is at least so high over the continuum, both smoothed,"""

LINE_OVER_SCATTER = 5.0
"""and over the scatter of what is no line."""

CONTINUUM_WIDTHS = 10
"""Of the smoothing, to each side: the running median of what is the continuum below lines."""

LINE_CHANGE = 0.5
"""A line differs if this share of it is left: it is at least twice as bright on one side."""

_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Rules:
    """The thresholds of the tests.

    Parameters
    ----------
    min_spaxels : int
        A cluster has at least so many.
    min_snr : float
        And a mean spectrum of at least this S/N;
    min_snr_lines : float
        or of at least this one if lines make the difference.
    min_snr_edge : float
        A cluster at the edge of the field needs this one.
    line_peak : float
        Lines make it if its peak is at least this many times its scatter.
    max_edge_fraction : float
        A cluster is at the edge if more than this fraction of its spaxels is.
    min_shape : float
        Least relative difference beyond noise, shift and width.
    min_structure : float
        Least relative difference that also no smooth colour explains.
    min_lines : float
        Or: least relative difference in lines that are twice as bright on one side, or more.
    min_of_dispersion : float
        Least relative difference of two clusters over the dispersion of all spaxels.
    min_blend_shape, min_blend_of_dispersion : float
        The same as `min_shape` and `min_of_dispersion` for a cluster and the blend of two others.
    min_share : float
        Least share that either of two clusters has in a blend.
    depth : int
        Levels below a rejected split that are looked at.
    """

    min_spaxels: int = 5
    min_snr: float = 50.0
    min_snr_lines: float = 15.0
    min_snr_edge: float = 100.0
    line_peak: float = 10.0
    max_edge_fraction: float = 0.6
    min_shape: float = 0.03
    min_structure: float = 0.012
    min_lines: float = 0.01
    min_of_dispersion: float = 0.75
    min_blend_shape: float = 0.02
    min_blend_of_dispersion: float = 0.3
    min_share: float = 0.15
    depth: int = 4

    @property
    def for_blends(self) -> Rules:
        """The rules for a cluster and the blend of two others."""
        return replace(self, min_shape=self.min_blend_shape)


@dataclass(frozen=True)
class Difference:
    """How two mean spectra differ; all relative to the root mean square of their mean.

    Parameters
    ----------
    n : (int, int)
        Spaxels of the two sides.
    snr : (float, float)
        S/N of their mean spectra.
    total : float
        Beyond noise.
    shape : float
        Beyond noise, shift and width, smoothed.
    structure : float
        And beyond smooth colours.
    peak : float
        Largest value of the unsmoothed difference over its robust scatter.
    lines : float
        The part of `structure` that is in emission lines which differ by `LINE_CHANGE` or more.
    """

    n: tuple[int, int]
    snr: tuple[float, float]
    total: float
    shape: float
    structure: float
    peak: float
    lines: float

    def failed_test(self, rules: Rules, least: float) -> Reason:
        """The first test that it fails, or an empty string.

        Parameters
        ----------
        rules : Rules
        least : float
            Least relative difference.
        """
        in_lines = self.lines >= rules.min_lines and self.peak >= rules.line_peak
        if self.shape < rules.min_shape and not in_lines:
            return "shape"
        if self.structure < rules.min_structure and not in_lines:
            return "colour"
        return "dispersion" if self.total < least else ""


def compare(first: MeanSpectrum, second: MeanSpectrum, max_shift: int) -> Difference:
    """Compare two mean spectra, after a shift of at most `max_shift` samples."""
    size, one, other = len(first.total), first.values, second.values
    if max_shift:
        inner = slice(max_shift, size - max_shift)
        errors = [
            np.square(one[inner] - other[max_shift + s : size - max_shift + s]).sum()
            for s in range(-max_shift, max_shift + 1)
        ]
        best = int(np.argmin(errors)) - max_shift
        one, other = one[inner], other[max_shift + best : size - max_shift + best]
    mean, difference = (one + other) / 2, one - other
    expected = (first.noise_energy + second.noise_energy) * len(one) / size
    excess = _excess_noise(difference, expected)
    noise = expected * excess**2
    sigma = smoothing_samples(max_shift)
    smooth_mean, smooth = (gaussian_filter1d(values, sigma) for values in (mean, difference))
    smooth_noise = noise / (2.0 * np.sqrt(np.pi) * sigma)
    rest = _without(difference, _colours(mean), displacements(mean))
    boxcar = np.convolve(rest, np.ones(3) / 3, "same")
    scatter = np.median(np.abs(boxcar)) / MEDIAN_ABS_PER_SIGMA
    displaced = displacements(smooth_mean)
    energy = np.square(smooth_mean).sum()
    left = _without(smooth, _colours(smooth_mean), displaced)
    return Difference(
        n=(first.n, second.n),
        snr=(first.snr / excess, second.snr / excess),
        total=_relative(difference, noise, np.square(mean).sum()),
        shape=_relative(_without(smooth, displaced), smooth_noise, energy),
        structure=_relative(left, smooth_noise, energy),
        peak=float(np.abs(boxcar).max() / max(scatter, 1e-15)),
        lines=_relative(*_in_lines(left, smooth_mean, smooth_noise, sigma), energy),
    )


def _in_lines(
    left: NDArray[np.float64], mean: NDArray[np.float64], noise: float, sigma: float
) -> tuple[NDArray[np.float64], float]:
    """What is left of a difference in the emission lines that differ much, and its noise."""
    width = 2 * int(CONTINUUM_WIDTHS * sigma) + 1
    left, lines = (values - median_filter(values, width, mode="nearest") for values in (left, mean))
    scatter = float(np.median(np.abs(lines))) / MEDIAN_ABS_PER_SIGMA
    continuum = float(np.median(np.abs(mean)))
    brighter = lines + np.abs(left) / 2
    line, count = label(
        brighter > max(LINE_OVER_SCATTER * scatter, LINE_OVER_CONTINUUM * continuum)
    )
    rest, whole = (np.bincount(line, np.square(values), count + 1) for values in (left, brighter))
    much = rest >= LINE_CHANGE**2 * whole
    much[0] = False  # what is no line
    differs = much[line]
    return left[differs], noise * float(differs.mean())


def smoothing_samples(max_shift: int) -> float:
    """Width (sigma) of the smoothing of spectra that are compared."""
    return max(2.0, 2.0 * max_shift / 3.0)


def _excess_noise(difference: NDArray[np.float64], expected: float) -> float:
    """By how much the noise of a difference exceeds what is usual; one if it does not.

    Spaxels of a binned cube share their noise, which does not fall with their number. So the noise
    is also measured on the difference, in which what both have in common is gone.
    """
    measured = len(difference) * float(spectral_noise(difference[None])[0]) ** 2
    return max(float(np.sqrt(measured / max(expected, _TINY))) / USUAL_EXCESS, 1.0)


def displacements(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, 4) what shift and width do to a spectrum, each constant and linear along it."""
    along = np.linspace(-1.0, 1.0, len(mean))
    slope = np.gradient(mean)
    bend = np.gradient(slope)
    return np.stack([slope, slope * along, bend, bend * along], axis=1)


def _colours(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, 4) the spectrum times smooth colours."""
    return legvander(np.linspace(-1.0, 1.0, len(mean)), 3) * mean[:, None]


def _without(
    difference: NDArray[np.float64], *explanations: NDArray[np.float64]
) -> NDArray[np.float64]:
    design = np.hstack(explanations)
    return difference - design @ np.linalg.lstsq(design, difference, rcond=None)[0]


def _relative(difference: NDArray[np.float64], noise: float, energy: float) -> float:
    return float(np.sqrt(max(np.square(difference).sum() - noise, 0.0) / max(energy, _TINY)))
