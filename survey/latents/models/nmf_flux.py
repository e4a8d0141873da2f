"""Non-negative factorisation of flux densities, each weighted by its inverse variance.

With x the flux of n spectra and v its inverse variances, the updates reduce

    loss = sum v (x - W H)^2,        W (n, k) >= 0,  H (k, p) >= 0.

For fixed H this is a quadratic form of each row w of W, with the matrix G = H diag(v) H^T and the
vector b = H (v x). Since G has no negative entries, the separable form

    sum_k (G w')_k / w'_k w_k^2 - 2 b_k w_k + const

lies on or above it and touches it at w' (Lee & Seung 2001, NIPS 13), whatever the signs of the
data. Its minimum, w_k = w'_k b_k / (G w')_k, or the least value allowed where noise makes b_k
negative (compare Zhu 2016, arXiv:1612.06037), never raises the loss. G is made once for many such
steps, and a bin that is not usable has v = 0.
"""

from __future__ import annotations

import numpy as np

from survey.latents.grid import Floats
from survey.latents.models.likelihood import TINY
from survey.latents.models.mean_shape import flux_scale
from survey.latents.spectra import SpectrumSet

LEAST = 1e-9
"""Least value of a factor, in units of its mean: multiplicative steps cannot leave zero."""

LEARNING_STEPS = 5
ENCODING_STEPS = 300
MOST_WEIGHT = 100.0
"""Weights saturate at this squared S/N per sample, so that bright spectra do not dominate."""


def flux_in_amplitudes(spectra: SpectrumSet, mean_shape: Floats) -> tuple[Floats, Floats]:
    """Flux (n, p) in units of the amplitude of each spectrum, and its inverse variances."""
    assert spectra.ivar is not None
    scale = flux_scale(spectra, mean_shape)[:, np.newaxis]
    return spectra.values / scale, spectra.ivar * scale**2


def limited(ivar: Floats) -> Floats:
    """Inverse variances (n, p) of scaled flux that come to no more than `MOST_WEIGHT`."""
    return np.asarray(ivar / (1.0 + ivar / MOST_WEIGHT))


def factorise_flux(
    flux: Floats, ivar: Floats, start: Floats, *, max_iterations: int, tolerance: float
) -> tuple[Floats, Floats, list[float]]:
    """Weights (n, k), components (k, p) and the loss after each iteration, which never rises.

    Parameters
    ----------
    flux, ivar : (n, p) arrays
        See `flux_in_amplitudes`; `ivar` is zero where a value is not usable.
    start : (k, p) array
        Positive components to start from.
    max_iterations : int
    tolerance : float
        It ends when an iteration lowers the loss by less than this part of it.
    """
    weights = np.full((len(flux), len(start)), 1.0 / len(start))
    components, losses = start, [_loss(flux, ivar, weights, start)]
    product = ivar * flux
    for _ in range(max_iterations):
        weights = _stepped(weights, product @ components.T, _forms(ivar, components))
        turned = _stepped(components.T, product.T @ weights, _forms(ivar.T, weights.T))
        components = turned.T
        losses.append(_loss(flux, ivar, weights, components))
        if losses[-2] - losses[-1] <= tolerance * losses[-1]:
            break
    return weights, components, losses


def encode_flux(flux: Floats, ivar: Floats, components: Floats) -> Floats:
    """Weights (n, k) of known components, each spectrum for itself."""
    weights = np.full((len(flux), len(components)), 1.0 / len(components))
    product = (ivar * flux) @ components.T
    return _stepped(weights, product, _forms(ivar, components), ENCODING_STEPS)


def _stepped(factor: Floats, product: Floats, forms: Floats, steps: int = LEARNING_STEPS) -> Floats:
    """The rows of a factor (n, k) after some steps down their quadratic forms."""
    known = product.any(axis=1) & (np.einsum("nkk->n", forms) > TINY)
    wanted = np.maximum(product, 0.0)
    for _ in range(steps):
        bend = np.maximum(np.einsum("nkl,nl->nk", forms, factor), TINY)
        moved = np.maximum(factor * wanted / bend, LEAST)
        factor = np.where(known[:, np.newaxis], moved, factor)
    return factor


def _forms(ivar: Floats, components: Floats) -> Floats:
    """G (n, k, k) of every row, from one product for all pairs of components."""
    k = len(components)
    first, second = np.triu_indices(k)
    pairs = ivar @ (components[first] * components[second]).T
    forms = np.empty((len(ivar), k, k))
    forms[:, first, second] = forms[:, second, first] = pairs
    return forms


def _loss(flux: Floats, ivar: Floats, weights: Floats, components: Floats) -> float:
    return float(np.sum(ivar * (flux - weights @ components) ** 2))
