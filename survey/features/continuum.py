"""Integration above a straight continuum that is fitted beside the feature.

The continuum is a least-squares line through side samples, outliers clipped. Flux above it
is linear in the samples, so that the same kernel gives the flux and its propagated error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.features.spectrum import Bools, Floats

CLIP_SIGMA = 3.0
CLIP_ROUNDS = 2
MIN_SIDE_SAMPLES = 5
"""The scatter of fewer samples about a line cannot be measured."""


@dataclass(frozen=True)
class Integrals:
    """Features integrated above their continua; arrays of shape (M,), NaN where impossible.

    `error_propagated` follows from the errors given, independent from sample to sample;
    `scatter` is that of the side samples about the continuum. `continuum` is its level in the
    middle of the feature, per micron, and `continuum_error` its error by that scatter. `kernel`
    (M, K) holds the weights of the samples that made the flux.
    """

    flux: Floats
    error_propagated: Floats
    scatter: Floats
    continuum: Floats
    continuum_error: Floats
    kernel: Floats

    @property
    def norm(self) -> Floats:
        """What the noise of independent, equal samples is multiplied by, shape (M,)."""
        return np.sqrt(_dot(self.kernel, self.kernel))

    @property
    def error_scatter(self) -> Floats:
        """Error if the scatter of the side samples were independent noise, shape (M,)."""
        return self.scatter * self.norm


@dataclass(frozen=True)
class RawFlux:
    """One integrated feature, detected or not; NaN where impossible.

    `continuum` is per micron, as its error. `edge` where the spectrum ends too soon on one side, or
    data are missing.
    """

    flux: float
    error_propagated: float
    error_empirical: float
    continuum: float
    edge: bool
    continuum_error: float = np.nan

    @property
    def error(self) -> float:
        """The larger of the two errors, or the one there is."""
        return float(np.fmax(self.error_propagated, self.error_empirical))


def integrate_above_continuum(
    wavelength_um: Floats, flux: Floats, error: Floats, weights: Floats, sides: Bools
) -> Integrals:
    """Integrate M features over their own straight continua.

    Parameters
    ----------
    wavelength_um, flux, error : array (M, K)
        Samples about each feature, per micron.
    weights : array (M, K)
        Micron of each sample that belong to the feature's window.
    sides : bool array (M, K)
        Samples that may serve for the continuum.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        width = weights.sum(axis=1)
        middle = _dot(weights, wavelength_um) / width
        # From the middle of the window, where the level of the fit is its intercept.
        offset = wavelength_um - middle[:, np.newaxis]
        used, scatter = _clipped(offset, flux, sides)
        leverage = _leverage(offset, used)
        kernel = weights - width[:, np.newaxis] * leverage
        return Integrals(
            flux=_dot(kernel, flux),
            error_propagated=np.sqrt(_dot(kernel**2, error**2)),
            scatter=scatter,
            continuum=_dot(leverage, flux),
            continuum_error=scatter * np.sqrt(_dot(leverage, leverage)),
            kernel=kernel,
        )


def _clipped(offset: Floats, flux: Floats, sides: Bools) -> tuple[Floats, Floats]:
    """Side samples (as 0 or 1) within `CLIP_SIGMA` of their fit, and their scatter about it."""
    used = sides.astype(np.float64)
    for _ in range(CLIP_ROUNDS):
        residual, scatter = _residuals(offset, flux, used)
        near = np.abs(residual) <= CLIP_SIGMA * scatter[:, np.newaxis]
        used = (sides & near).astype(np.float64)
    return used, _residuals(offset, flux, used)[1]


def _residuals(offset: Floats, flux: Floats, used: Floats) -> tuple[Floats, Floats]:
    intercept, slope = _line_fit(offset, flux, used)
    residual = flux - slope[:, np.newaxis] * offset
    residual -= intercept[:, np.newaxis]
    count = used.sum(axis=1)
    return residual, np.sqrt(_dot(used, residual**2) / (count - 2))


def _line_fit(offset: Floats, flux: Floats, used: Floats) -> tuple[Floats, Floats]:
    count, first, second = _moments(offset, used)
    chosen = used * flux
    total, product = chosen.sum(axis=1), _dot(chosen, offset)
    determinant = count * second - first**2
    return (
        (second * total - first * product) / determinant,
        (count * product - first * total) / determinant,
    )


def _leverage(offset: Floats, used: Floats) -> Floats:
    """Weights (M, K) whose sum over the samples is the fitted line at offset zero."""
    count, first, second = _moments(offset, used)
    numerator = second[:, np.newaxis] - first[:, np.newaxis] * offset
    return used * numerator / (count * second - first**2)[:, np.newaxis]


def _moments(offset: Floats, used: Floats) -> tuple[Floats, Floats, Floats]:
    count = used.sum(axis=1)
    count = np.where(count >= MIN_SIDE_SAMPLES, count, np.nan)
    weighted = used * offset
    return count, weighted.sum(axis=1), _dot(weighted, offset)


def _dot(a: Floats, b: Floats) -> Floats:
    """Row by row."""
    products: Floats = np.einsum("mk,mk->m", a, b)
    return products
