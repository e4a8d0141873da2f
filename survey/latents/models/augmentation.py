"""Input of the autoencoder in training: part of a spectrum, from which it predicts the rest.

Spectra are thinned to a length between their own and `thin_to` counts (for flux, the same squared
S/N), as in `survey.latents.thinning`. The network sees the counts kept, and its loss is computed on
the rest. The noise of the rest is independent of the noise that it sees, so noise cannot be learned
(cf. Noise2Noise, Lehtinen et al. 2018). Some patches are hidden as well.

This module needs torch, and is imported only when a network is used.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from survey.latents.models.network import FLOOR, Batch

SMALLEST_SHARE = 0.05
LARGEST_SHARE = 0.9
HIDDEN_IN_HALF = 0.5
"""Share of the spectra that have patches hidden."""


def random_share(batch: Batch, kind: str, thin_to: float, generator: torch.Generator) -> Tensor:
    """Shares (n, 1) of the exposure, even in the logarithm."""
    if kind == "counts":
        content = batch.values.sum(1, keepdim=True)
    else:
        power = (batch.values**2 * batch.second - batch.mask).sum(1, keepdim=True)
        content = power.clamp_min(1.0)  # squared S/N: noise alone has a power of one per bin
    least = torch.log(thin_to / content.clamp_min(FLOOR)).clamp(math.log(SMALLEST_SHARE), 0.0)
    even = torch.rand(least.shape, generator=generator, device=least.device)
    return torch.exp(even * least).clamp(max=LARGEST_SHARE)


def split_batch(
    batch: Batch, kind: str, share: Tensor, generator: torch.Generator
) -> tuple[Batch, Batch]:
    """What is kept and what is left of spectra, `share` (n, 1) of the exposure being kept."""
    rest = 1 - share
    if kind == "counts":
        kept = torch.binomial(batch.values, share.expand_as(batch.values), generator=generator)
        return (
            replace(batch, values=kept, second=batch.second * share),
            replace(batch, values=batch.values - kept, second=batch.second * rest),
        )
    normal = torch.randn(batch.values.shape, generator=generator, device=share.device)
    noise = batch.mask * normal * batch.second.clamp_min(FLOOR * FLOOR).rsqrt()
    return (
        replace(
            batch,
            values=batch.values + torch.sqrt(rest / share) * noise,
            second=batch.second * share,
        ),
        replace(
            batch,
            values=batch.values - torch.sqrt(share / rest) * noise,
            second=batch.second * rest,
        ),
    )


def hide_patches(batch: Batch, patch: int, fraction: float, generator: torch.Generator) -> Batch:
    """The same with a fraction of the patches masked in half of the spectra."""
    n, p = batch.values.shape
    device = batch.values.device
    hidden = torch.rand((n, -(-p // patch)), generator=generator, device=device) < fraction
    chosen = torch.rand((n, 1), generator=generator, device=device) < HIDDEN_IN_HALF
    seen = (~(hidden & chosen)).repeat_interleave(patch, dim=1)[:, :p].to(batch.mask.dtype)
    return replace(
        batch, values=batch.values * seen, second=batch.second * seen, mask=batch.mask * seen
    )
