"""The network: patches of counts to a few latents by attention, and back to the grid.

A spectrum becomes tokens, one per patch of neighbouring bins. Their positions are those of the
patches in energy or wavelength, not their numbers. A class token collects information of the other
tokens; a linear projection of all tokens is added, which carries the fine detail of bright spectra
(without it their divergence from the truth doubles). The decoder is a mixture of positive
components times a smooth correction.

With responses, what is decoded is a spectrum of photons, which is folded through the response of
each spectrum.

This module needs torch, and is imported only when a network is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from survey.latents.models.transformer.responses import Responses

OCTAVES = tuple(range(-2, 8))
"""Periods of the position code: 2^-octave in the natural logarithm of energy or wavelength."""

MIXTURE_SPREAD = 0.3
"""Initial scatter of the logarithm of the components around the mean shape."""

PHOTON_KNOTS = 48
"""The same of components of photons is smooth: finer structure than this is not resolved."""

FLOOR = 1e-9

FORMER_BUFFER = "scatter"
"""Weights of earlier versions, when networks of flux were made too, have it; it is not used."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of a network.

    `components` are those of the mixture that is decoded; `n_energies` the bins of the photons
    that are decoded, zero where the bins of the spectrum are.
    """

    n_bins: int
    n_latents: int
    patch: int
    width: int
    layers: int
    heads: int
    hidden: int
    components: int
    n_energies: int = 0

    @property
    def n_decoded(self) -> int:
        """Bins of what is decoded."""
        return self.n_energies or self.n_bins

    @property
    def n_patches(self) -> int:
        """Patches that cover the grid, the last one filled up with masked bins."""
        return -(-self.n_bins // self.patch)


@dataclass
class Batch:
    """Spectra as a network sees them, all of (n, p).

    `background` is the expected one; `mask` is one where a bin is usable, and counts and
    background are zero elsewhere. `relative` is what the response of each spectrum makes of shapes,
    ones where it is unknown. Where photons are decoded, `response` (n,) is the number of each
    spectrum's among `responses`.
    """

    counts: Tensor
    background: Tensor
    mask: Tensor
    relative: Tensor
    response: Tensor | None = None
    responses: Responses | None = None

    def rows(self, which: Tensor) -> Batch:
        """Some of the spectra."""
        response = None if self.response is None else self.response[which]
        counts, background, mask, relative = (part[which] for part in self.parts)
        return Batch(counts, background, mask, relative, response, self.responses)

    def to(self, device: torch.device) -> Batch:
        """The same elsewhere."""
        counts, background, mask, relative = (part.to(device) for part in self.parts)
        return Batch(
            counts, background, mask, relative,
            None if self.response is None else self.response.to(device),
            None if self.responses is None else self.responses.to(device),
        )  # fmt: skip

    def seen(self, decoded: Tensor) -> Tensor:
        """Shapes (n, p) as each spectrum sees them, of the logarithm of decoded ones."""
        return self.through(decoded.exp())

    def through(self, shapes: Tensor) -> Tensor:
        """Decoded shapes, or changes of them, as each spectrum sees them (n, p)."""
        if self.response is None or self.responses is None:
            return shapes * self.relative
        return self.responses.fold(shapes, self.response)

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Its tables of (n, p)."""
        return self.counts, self.background, self.mask, self.relative

    def __len__(self) -> int:
        return len(self.counts)


class SpectrumNetwork(nn.Module):
    """Encoder and decoder on one grid.

    Parameters
    ----------
    architecture : Architecture
    centres : Tensor (p,)
        Energies of the bins.
    mean : Tensor (p,)
        Mean shape: spectra are seen by how they differ from it.
    photons : Tensor (e,), optional
        Mean spectrum of photons, where photons are decoded.
    """

    mean: Tensor
    positions: Tensor
    latent_mean: Tensor
    latent_std: Tensor

    def __init__(
        self, architecture: Architecture, centres: Tensor, mean: Tensor,
        photons: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        a = self.architecture = architecture
        self.register_buffer("mean", mean)
        if photons is not None:
            self.register_buffer("photons", photons)
        self.register_buffer("positions", _position_code(centres, a.patch))
        self.register_buffer("latent_mean", torch.zeros(a.n_latents))
        self.register_buffer("latent_std", torch.ones(a.n_latents))
        self.embed = nn.Linear(4 * a.patch, a.width)
        self.embed_position = nn.Linear(self.positions.shape[1], a.width)
        self.embed_brightness = nn.Linear(1, a.width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                a.width, a.heads, 2 * a.width, dropout=0.0, activation=_gelu, batch_first=True,
                norm_first=True,
            )
            for _ in range(a.layers)
        )  # fmt: skip
        self.after = nn.LayerNorm(a.width)
        self.from_class = nn.Linear(a.width, a.n_latents)
        self.from_all = nn.Linear(a.n_patches * a.width, a.n_latents, bias=False)
        self.decode_in = nn.Linear(a.n_latents, a.hidden)
        self.decode_deep = nn.Linear(a.hidden, a.hidden)
        self.correction = nn.Linear(a.hidden, a.n_decoded)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)
        self.mixing = nn.Linear(a.hidden, a.components)
        self.log_components = nn.Parameter(_components(a, mean, photons))

    def encode(self, batch: Batch) -> Tensor:
        """Latents (n, k)."""
        a = self.architecture
        channels, brightness = self._seen(batch)
        seen = torch.stack([*(c * batch.mask for c in channels), batch.mask], dim=-1)
        seen = F.pad(seen, (0, 0, 0, a.n_patches * a.patch - a.n_bins))
        tokens = self.embed(seen.reshape(len(batch), a.n_patches, -1))
        tokens = tokens + self.embed_position(self.positions)
        class_token = self.embed_brightness(brightness[:, None])[:, None]
        tokens = torch.cat([class_token, tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.after(tokens)
        latents = self.from_class(tokens[:, 0]) + self.from_all(tokens[:, 1:].flatten(1))
        return (latents - self.latent_mean) / self.latent_std

    def decode(self, latents: Tensor) -> Tensor:
        """Logarithm of the shape (n, p), which sums to one.

        Where photons are decoded, the logarithm of their spectrum (n, e), which sums to one.
        """
        latents = latents * self.latent_std + self.latent_mean
        hidden = _gelu(self.decode_in(latents))
        hidden = hidden + _gelu(self.decode_deep(hidden))
        mixture = self.mixing(hidden).softmax(1) @ self.log_components.softmax(1)
        return F.log_softmax(torch.log(mixture + FLOOR) + self.correction(hidden), dim=1)

    def _seen(self, batch: Batch) -> tuple[tuple[Tensor, ...], Tensor]:
        """What is seen: how far, and by what factor, counts are from the mean shape; brightness.

        The first is in units of the Poisson noise (Anscombe 1948), so that a token tells a
        signal from noise whatever the brightness.
        """
        counts, background = batch.counts, batch.background
        total = counts.sum(1, keepdim=True)
        mean = self.mean * batch.relative
        share = mean / (mean * batch.mask).sum(1, keepdim=True).clamp_min(FLOOR)
        source = (total - background.sum(1, keepdim=True)).clamp_min(1.0)
        expected = source * share + background
        residual = 2 * (torch.sqrt(counts + 0.375) - torch.sqrt(expected + 0.375))
        ratio = torch.log((counts + 1) / (expected + 1))
        behind = torch.log((background + 0.1) / (expected + 0.1))
        return (torch.asinh(residual), ratio, behind), torch.log10(total[:, 0] + 1) - 2.5


def _components(a: Architecture, mean: Tensor, photons: Tensor | None) -> Tensor:
    """Logarithms of the components to start from: of counts, or smooth ones of photons."""
    if photons is None:
        return torch.log(mean) + MIXTURE_SPREAD * torch.randn(a.components, a.n_bins)
    knots = torch.randn(1, a.components, PHOTON_KNOTS)
    smooth = F.interpolate(knots, a.n_energies, mode="linear", align_corners=True)[0]
    return torch.log(photons) + MIXTURE_SPREAD * smooth


def _gelu(values: Tensor) -> Tensor:
    return F.gelu(values, approximate="tanh")


def _position_code(centres: Tensor, patch: int) -> Tensor:
    """Sines and cosines (t, 2 f) of the logarithmic place of each patch."""
    short = -len(centres) % patch
    filled_up = torch.cat([centres, centres[-1:].expand(short)])
    place = torch.log(filled_up.view(-1, patch)).mean(1, keepdim=True)
    phase = 2 * math.pi * place * torch.tensor([2.0**octave for octave in OCTAVES])
    return torch.cat([torch.sin(phase), torch.cos(phase)], dim=1)
