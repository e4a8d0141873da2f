"""The most probable latents of spectra, which the encoder's are a first guess of.

An encoder reads every spectrum by the same rule. What its answer owes to the response, to the
background and to the noise of one spectrum, it only learns on average. The likelihood of a spectrum
knows them: counts are Poisson about what the decoder makes of latents through the response of the
spectrum, with an amplitude that is free. Latents are those where likelihood times prior is largest;
the prior is the normal distribution of the encoder's latents of the spectra that were learned from.

The maximum is found by Fisher scoring with the damping of Levenberg and Marquardt, for all spectra
at once.

This module needs torch, and is imported only when a network is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import jvp, vmap

from survey.latents.grid import Floats
from survey.latents.models.transformer.losses import profiled_amplitude
from survey.latents.models.transformer.network import FLOOR, Batch, SpectrumNetwork

MEAN, PRECISION = "prior_mean", "prior_precision"
"""What the prior is called among the arrays of a model."""

STEPS = 30
SMALLEST_VARIANCE = 1e-4
"""Added to the variances of the encoder's latents, which are one: latents may be redundant."""

FIRST_DAMPING = 1e-2
EASED, STIFFENED = 0.2, 8.0
"""What the damping is multiplied by after a step that brought something, and after another."""

CONVERGED = 1e-3
"""A change of the logarithm of the probability that ends the search of a spectrum."""


@dataclass(frozen=True, eq=False)
class Prior:
    """The normal distribution of latents: its mean (k,) and its inverse covariance (k, k)."""

    mean: Floats
    precision: Floats

    @classmethod
    def of(cls, latents: Floats) -> Prior:
        """That of latents (n, k)."""
        covariance = np.atleast_2d(np.cov(latents, rowvar=False))
        covariance = covariance + SMALLEST_VARIANCE * np.eye(len(covariance))
        return cls(latents.mean(axis=0), np.asarray(np.linalg.inv(covariance), np.float64))

    def scaled(self, mean: Floats, std: Floats) -> Prior:
        """That of latents less a mean (k,), in units of a deviation (k,)."""
        return Prior((self.mean - mean) / std, self.precision * std * std[:, np.newaxis])

    def arrays(self) -> dict[str, Floats]:
        """What a saved model keeps of it."""
        return {MEAN: self.mean, PRECISION: self.precision}

    @classmethod
    def taken_from(cls, arrays: dict[str, Any]) -> Prior | None:
        """Take it out of the arrays of a saved model; None if it has none."""
        if MEAN not in arrays or PRECISION not in arrays:
            return None
        return cls(arrays.pop(MEAN), arrays.pop(PRECISION))


@torch.no_grad()
def most_probable(network: SpectrumNetwork, batch: Batch, start: Tensor, prior: Prior) -> Tensor:
    """Latents (n, k) where the posterior probability is largest.

    Parameters
    ----------
    network : SpectrumNetwork
    batch : Batch
        The n spectra, with their responses where photons are decoded.
    start : Tensor (n, k)
        Where to begin: the encoder's latents.
    prior : Prior
    """
    normal = torch.from_numpy(prior.mean), torch.from_numpy(prior.precision)
    best = start.double()
    latents, left = best, torch.arange(len(best))
    damping = torch.full_like(best[:, 0], FIRST_DAMPING)
    found = _probability(network, batch, latents, *normal)
    for _ in range(STEPS):
        slope, fisher = _slope_and_fisher(network, batch, latents, *normal)
        scale = torch.diag_embed(torch.diagonal(fisher, dim1=1, dim2=2))
        step = torch.linalg.solve(fisher + damping[:, None, None] * scale, slope)
        probability = _probability(network, batch, latents + step, *normal)
        gain = probability - found
        better = gain > 0
        latents = torch.where(better[:, None], latents + step, latents)
        found = torch.where(better, probability, found)
        damping = damping * torch.where(better, EASED, STIFFENED)
        best = best.index_copy(0, left, latents)
        # A step that is refused although it changes little has nowhere better to go.
        going = gain.abs() > CONVERGED
        if not bool(going.any()):
            break
        left, batch = left[going], batch.rows(going)
        latents, found, damping = latents[going], found[going], damping[going]
    return best.float()


def _expected(batch: Batch, shape: Tensor) -> tuple[Tensor, Tensor]:
    """Most likely amplitudes (n, 1), and counts (n, p) that are expected with them."""
    amplitude = profiled_amplitude(batch.counts, shape, batch.background).double()[:, None]
    return amplitude, amplitude * shape.double() + batch.background.double() + FLOOR


def _probability(
    network: SpectrumNetwork, batch: Batch, latents: Tensor, centre: Tensor, precision: Tensor
) -> Tensor:
    """Logarithm of the posterior probability (n,), but for a constant."""
    shape = batch.seen(network.decode(latents.float())) * batch.mask
    mean = _expected(batch, shape)[1]
    likelihood = (batch.mask * (torch.xlogy(batch.counts.double(), mean) - mean)).sum(1)
    off = latents - centre
    return likelihood - 0.5 * ((off @ precision) * off).sum(1)


def _slope_and_fisher(
    network: SpectrumNetwork, batch: Batch, latents: Tensor, centre: Tensor, precision: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradient (n, k) of the logarithm of the probability, and its expected curvature (n, k, k).

    The curvature is that at the most likely amplitude of all latents, not at one amplitude.
    """
    place = latents.float()
    decoded = network.decode(place)
    shape = batch.seen(decoded) * batch.mask
    amplitude, mean = _expected(batch, shape)
    photons = decoded.exp()
    directions = torch.eye(place.shape[1])[:, None].expand(-1, *place.shape)
    relative = vmap(lambda one: jvp(network.decode, (place,), (one,))[1])(directions)
    changes = [batch.through(photons * one) * batch.mask for one in relative]
    change = amplitude[..., None] * torch.stack(changes, dim=-1).double()
    of_amplitude = amplitude * shape.double()
    surplus = batch.mask * (batch.counts.double() / mean - 1)
    slope = (surplus[..., None] * change).sum(1) - (latents - centre) @ precision
    weight = (batch.mask / mean)[..., None]
    fisher = change.mT @ (weight * change)
    mixed = (change.mT @ (weight * of_amplitude[..., None]))[..., 0]
    own = (weight[..., 0] * of_amplitude**2).sum(1).clamp_min(FLOOR)
    fisher = fisher - mixed[:, :, None] * mixed[:, None, :] / own[:, None, None]
    return slope, fisher + precision
