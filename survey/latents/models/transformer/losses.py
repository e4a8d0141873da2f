"""Loss of the autoencoder: minus the log likelihood of counts, with a free amplitude.

The amplitude is the most likely one. There the derivative by the amplitude is zero, so it is fixed
when gradients are computed. Each loss is divided by the root of the counts. Without that a few
bright spectra would dominate, since log likelihood ratios grow with the counts; divided by the
counts, faint spectra with little information would count as much as bright ones.

This module needs torch, and is imported only when a network is used.
"""

from __future__ import annotations

import torch
from torch import Tensor

from survey.latents.models.transformer.network import FLOOR, Batch

AMPLITUDE_STEPS = 12


def poisson_loss(log_shape: Tensor, target: Batch) -> Tensor:
    """Poisson likelihood of counts, short of a perfect fit (n,), over the root of the counts."""
    counts, background = target.counts, target.background
    shape = target.seen(log_shape) * target.mask
    with torch.no_grad():
        amplitude = profiled_amplitude(counts, shape, background)
    mean = amplitude[:, None] * shape + background + FLOOR
    perfect = counts - torch.xlogy(counts, counts)
    excess = (target.mask * (mean - torch.xlogy(counts, mean) - perfect)).sum(1)
    return excess / torch.sqrt(counts.sum(1) + 1)


def profiled_amplitude(counts: Tensor, shape: Tensor, background: Tensor) -> Tensor:
    """Amplitudes (n,) that make counts most likely; see `likelihood.counts_amplitude`.

    Newton's method within bounds that close in: up to a background a hundred times as bright as the
    source, the steps end within a thousandth of the noise.
    """
    counts, shape, background = counts.double(), shape.double(), background.double() + FLOOR
    norm = shape.sum(1).clamp_min(FLOOR)
    low, high = torch.zeros_like(norm), counts.sum(1) / norm
    amplitude = torch.maximum((counts - background).sum(1) / norm, 0.01 * high).clamp_min(FLOOR)
    for _ in range(AMPLITUDE_STEPS):
        rate = shape / (amplitude[:, None] * shape + background)
        score = (counts * rate).sum(1) - norm
        low = torch.where(score > 0, amplitude, low)
        high = torch.where(score > 0, high, amplitude)
        step = amplitude + score / (counts * rate * rate).sum(1).clamp_min(FLOOR)
        inside = (step > low) & (step < high)
        amplitude = torch.where(inside, step, (low + high) / 2)
    return amplitude.float()
