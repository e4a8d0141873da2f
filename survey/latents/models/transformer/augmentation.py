"""Input of the autoencoder in training: part of a spectrum, from which it predicts the rest.

Spectra are thinned to a length between their own and `thin_to` counts, as in
`survey.latents.thinning`. The network sees the counts kept, and its loss is computed on the rest.
The noise of the rest is independent of the noise that it sees, so noise cannot be learned
(cf. Noise2Noise, Lehtinen et al. 2018). Some patches are hidden as well.

This module needs torch, and is imported only when a network is used.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from survey.latents.models.transformer.network import FLOOR, Batch

SMALLEST_SHARE = 0.05
LARGEST_SHARE = 0.9
HIDDEN_IN_HALF = 0.5
"""Share of the spectra that have patches hidden."""


def random_share(batch: Batch, thin_to: float, generator: torch.Generator) -> Tensor:
    """Shares (n, 1) of the exposure, even in the logarithm."""
    total = batch.counts.sum(1, keepdim=True)
    least = torch.log(thin_to / total.clamp_min(FLOOR)).clamp(math.log(SMALLEST_SHARE), 0.0)
    even = torch.rand(least.shape, generator=generator, device=least.device)
    return torch.exp(even * least).clamp(max=LARGEST_SHARE)


def split_batch(batch: Batch, share: Tensor, generator: torch.Generator) -> tuple[Batch, Batch]:
    """What is kept and what is left of spectra, `share` (n, 1) of the exposure being kept."""
    kept = torch.binomial(batch.counts, share.expand_as(batch.counts), generator=generator)
    return (
        replace(batch, counts=kept, background=batch.background * share),
        replace(batch, counts=batch.counts - kept, background=batch.background * (1 - share)),
    )


def hide_patches(batch: Batch, patch: int, fraction: float, generator: torch.Generator) -> Batch:
    """The same with a fraction of the patches masked in half of the spectra."""
    n, p = batch.counts.shape
    device = batch.counts.device
    hidden = torch.rand((n, -(-p // patch)), generator=generator, device=device) < fraction
    chosen = torch.rand((n, 1), generator=generator, device=device) < HIDDEN_IN_HALF
    seen = (~(hidden & chosen)).repeat_interleave(patch, dim=1)[:, :p].to(batch.mask.dtype)
    return replace(
        batch,
        counts=batch.counts * seen,
        background=batch.background * seen,
        mask=batch.mask * seen,
    )
