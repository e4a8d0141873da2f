"""Integration above a straight or curved continuum that is fitted beside the feature.

The continuum is a least-squares line or parabola through side samples, outliers clipped. Flux above
it is linear in the samples, so that the same kernel gives the flux and its propagated error.
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
    middle of the feature, per micron, `continuum_error` its error by that scatter, `width` that of
    the window in micron. `kernel` (M, K) holds the weights of the samples that made the flux.
    """

    flux: Floats
    error_propagated: Floats
    scatter: Floats
    continuum: Floats
    continuum_error: Floats
    width: Floats
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

    `continuum` is per micron, as its error; `width_um` is that of the window. `edge` where the
    spectrum ends too soon on one side, or data are missing.
    """

    flux: float
    error_propagated: float
    error_empirical: float
    continuum: float
    edge: bool
    continuum_error: float = np.nan
    width_um: float = 0.0

    @property
    def error(self) -> float:
        """The larger of the two errors, or the one there is."""
        return float(np.fmax(self.error_propagated, self.error_empirical))


def integrate_above_continuum(
    wavelength_um: Floats,
    flux: Floats,
    error: Floats,
    weights: Floats,
    sides: Bools,
    curved: Bools | None = None,
) -> Integrals:
    """Integrate M features over their own continua.

    Parameters
    ----------
    wavelength_um, flux, error : array (M, K)
        Samples about each feature, per micron.
    weights : array (M, K)
        Micron of each sample that belong to the feature's window.
    sides : bool array (M, K)
        Samples that may serve for the continuum.
    curved : bool array (M,), optional
        Features whose continuum is a parabola; the others have a straight one.
    """
    bends = np.zeros(len(flux), dtype=bool) if curved is None else curved
    with np.errstate(invalid="ignore", divide="ignore"):
        width = weights.sum(axis=1)
        middle = _dot(weights, wavelength_um) / width
        # From the middle of the window, where a straight continuum has its mean.
        offset = wavelength_um - middle[:, np.newaxis]
        # In units of the widest one: squares and fourth powers of micron are small numbers.
        offset /= np.abs(offset).max(axis=1, initial=0.0)[:, np.newaxis]
        used, scatter = _clipped(offset, flux, sides, bends)
        mean_square = _dot(weights, offset**2) / width
        leverage = _leverage(offset, used, bends, mean_square)
        kernel = weights - width[:, np.newaxis] * leverage
        return Integrals(
            flux=_dot(kernel, flux),
            error_propagated=np.sqrt(_dot(kernel**2, error**2)),
            scatter=scatter,
            continuum=_dot(leverage, flux),
            continuum_error=scatter * np.sqrt(_dot(leverage, leverage)),
            width=width,
            kernel=kernel,
        )


def _clipped(offset: Floats, flux: Floats, sides: Bools, curved: Bools) -> tuple[Floats, Floats]:
    """Side samples (as 0 or 1) within `CLIP_SIGMA` of their fit, and their scatter about it."""
    used = sides.astype(np.float64)
    for _ in range(CLIP_ROUNDS):
        residual, scatter = _residuals(offset, flux, used, curved)
        near = np.abs(residual) <= CLIP_SIGMA * scatter[:, np.newaxis]
        used = (sides & near).astype(np.float64)
    return used, _residuals(offset, flux, used, curved)[1]


def _residuals(offset: Floats, flux: Floats, used: Floats, curved: Bools) -> tuple[Floats, Floats]:
    powers = _powers(offset, curved)
    products = np.einsum("pmk,mk->mp", powers, used * flux)
    coefficients = np.einsum("mpq,mq->mp", _inverse(powers, used, curved), products)
    residual = flux - np.einsum("mp,pmk->mk", coefficients, powers)
    free = used.sum(axis=1) - np.where(curved, 3, 2)
    return residual, np.sqrt(_dot(used, residual**2) / free)


def _leverage(offset: Floats, used: Floats, curved: Bools, mean_square: Floats) -> Floats:
    """Weights (M, K) whose sum over the samples is the mean of the fit over the window.

    `mean_square` (M,) is that of the offsets of the window, the mean of which is zero.
    """
    powers = _powers(offset, curved)
    mean = np.stack([np.ones(len(used)), np.zeros(len(used)), mean_square * curved], axis=1)
    solution = np.einsum("mpq,mq->mp", _inverse(powers, used, curved), mean)
    return used * np.einsum("mp,pmk->mk", solution, powers)


def _powers(offset: Floats, curved: Bools) -> Floats:
    """One, the offset and, where the continuum is curved, its square, shape (3, M, K)."""
    return np.stack([np.ones_like(offset), offset, offset**2 * curved[:, np.newaxis]])


def _inverse(powers: Floats, used: Floats, curved: Bools) -> Floats:
    """Inverse normal matrices (M, 3, 3) of the fits, NaN for those with too few samples."""
    normal = np.einsum("pmk,qmk,mk->mpq", powers, powers, used)
    normal[:, 2, 2] += ~curved  # the third coefficient is then zero
    enough = (used.sum(axis=1) >= MIN_SIDE_SAMPLES) & (np.linalg.det(normal) > 0)
    normal[~enough] = np.eye(3)
    return np.where(enough[:, np.newaxis, np.newaxis], np.linalg.inv(normal), np.nan)


def _dot(a: Floats, b: Floats) -> Floats:
    """Row by row."""
    products: Floats = np.einsum("mk,mk->m", a, b)
    return products
