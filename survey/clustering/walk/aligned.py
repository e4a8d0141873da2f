"""Spectra shifted onto each other, and the mean spectra of groups of them.

The tests of the walk compare mean spectra, so they need one shift for every spaxel, where the
distances have one for every pair. Spectra are shifted to the subspace that most of them lie in:
the mean and the first principal components of the spectra, found and shifted in turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from survey.spectra.blocks import Rows, row_blocks

Members = NDArray[np.intp]
"""Numbers of some spaxels."""

COMPONENTS = 3
"""Principal components besides the mean: more follow the shifts that they are to find."""

MAX_SNR = 100.0
"""Above this S/N a spaxel weighs no more: what is left is not noise."""

_ROUNDS = 3
_SAMPLE = 1500
_BLOCK_SAMPLES = 2**22
_DOUBLE_SAMPLES = 2**20


@dataclass(frozen=True)
class MeanSpectrum:
    """The weighted mean of some spectra, kept as sums so that means can be joined.

    Parameters
    ----------
    n : int
        Number of spaxels.
    weight : float
        Sum of their weights.
    total : (m,) array
        Sum of weight times spectrum.
    noise_total : float
        Sum of weight squared times noise energy.
    """

    n: int
    weight: float
    total: NDArray[np.float64]
    noise_total: float

    def __add__(self, other: MeanSpectrum) -> MeanSpectrum:
        return MeanSpectrum(
            self.n + other.n,
            self.weight + other.weight,
            self.total + other.total,
            self.noise_total + other.noise_total,
        )

    def __sub__(self, other: MeanSpectrum) -> MeanSpectrum:
        return MeanSpectrum(
            self.n - other.n,
            self.weight - other.weight,
            self.total - other.total,
            max(self.noise_total - other.noise_total, 0.0),
        )

    @property
    def values(self) -> NDArray[np.float64]:
        """(m,) the mean."""
        return self.total / self.weight

    @property
    def noise_energy(self) -> float:
        """Expected square of the noise of the mean, summed over its samples."""
        return self.noise_total / self.weight**2

    @property
    def snr(self) -> float:
        """Root mean square of the mean over that of its noise."""
        tiny = np.finfo(np.float64).tiny
        return float(np.sqrt(np.square(self.values).sum() / max(self.noise_energy, tiny)))


@dataclass(frozen=True)
class AlignedSpectra:
    """Normalised spectra (n, M), each with the shift that aligns it.

    Parameters
    ----------
    spectra : (n, M) table
    max_shift : int
        Largest shift S in samples.
    starts : (n,) array of int
        First sample, 0..2S, of the M - 2S that are used of every spectrum.
    weight : (n,) array
    energy : (n,) array
        Noise energy of the whole spectra.
    """

    spectra: Rows
    max_shift: int
    starts: NDArray[np.intp]
    weight: NDArray[np.float64]
    energy: NDArray[np.float64]

    @property
    def n_sample(self) -> int:
        """Samples of an aligned spectrum."""
        return self.spectra.shape[1] - 2 * self.max_shift

    @property
    def noise_energy(self) -> NDArray[np.float64]:
        """(n,) noise energy of the samples that are used."""
        return self.energy * (self.n_sample / self.spectra.shape[1])

    def blocks(
        self, members: Members | None = None
    ) -> Iterator[tuple[Members, NDArray[np.floating]]]:
        """Spaxel numbers and aligned spectra, a block at a time; all spaxels by default."""
        rows = np.arange(len(self.starts)) if members is None else members
        for block in row_blocks((len(rows), self.spectra.shape[1]), _BLOCK_SAMPLES):
            chosen = rows[block]
            yield chosen, _shifted(self.spectra[chosen], self.starts[chosen], self.n_sample)

    def mean(self, members: Members) -> MeanSpectrum:
        """The weighted mean of some spaxels."""
        weight = self.weight[members]
        total = np.zeros(self.n_sample)
        for chosen, aligned in self.blocks(members):
            total += self.weight[chosen].astype(aligned.dtype) @ aligned
        noise = float((np.square(weight) * self.noise_energy[members]).sum())
        return MeanSpectrum(len(members), float(weight.sum()), total, noise)


def align_to_components(
    spectra: Rows,
    max_shift: int,
    *,
    snr: NDArray[np.float64],
    energy: NDArray[np.float64],
    seed: int = 0,
) -> AlignedSpectra:
    """Find the whole-sample shift of every spectrum to the subspace of all.

    Parameters
    ----------
    spectra : (n, M) table of float, finite
        Normalised spectra.
    max_shift : int
        Largest shift in samples, below M / 4.
    snr : (n,) array
        S/N of a sample, which gives the weights ``min(snr, MAX_SNR)**0.5``.
    energy : (n,) array
        See `survey.distances.noise.noise_energy`.
    seed : int
        Of the sample of spaxels from which the subspace is found.
    """
    n = len(snr)
    weight = np.sqrt(np.clip(snr, 0.0, MAX_SNR))
    starts = np.full(n, max_shift, np.intp)
    aligned = AlignedSpectra(spectra, max_shift, starts, weight, energy)
    if max_shift == 0:
        return aligned
    chosen = np.sort(np.random.default_rng(seed).choice(n, min(n, _SAMPLE), replace=False))
    sample, sampled = spectra[chosen], starts[chosen]
    for _ in range(_ROUNDS):
        mean, components = _subspace(_shifted(sample, sampled, aligned.n_sample), weight[chosen])
        found = _best_starts(sample, mean, components, max_shift)
        settled = np.array_equal(found, sampled)
        sampled = found
        if settled:
            break
    starts[chosen] = sampled
    others = np.setdiff1d(np.arange(n), chosen)
    for block in row_blocks((len(others), spectra.shape[1]), _BLOCK_SAMPLES):
        rows = others[block]
        starts[rows] = _best_starts(spectra[rows], mean, components, max_shift)
    return aligned


def _shifted(
    spectra: NDArray[np.floating], starts: NDArray[np.intp], size: int
) -> NDArray[np.floating]:
    out = np.empty((len(spectra), size), spectra.dtype)
    for start in np.unique(starts):
        rows = starts == start
        out[rows] = spectra[rows, start : start + size]
    return out


def _subspace(
    aligned: NDArray[np.floating], weight: NDArray[np.float64]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Weighted mean (m,) and first principal components (q, m)."""
    weights = weight.astype(aligned.dtype)
    mean = (weights @ aligned) / weights.sum()
    residuals = (aligned - mean) * weights[:, None]
    count = min(COMPONENTS, min(residuals.shape) - 1)
    if count < 1 or not residuals.any():
        return mean, np.zeros((0, len(mean)), mean.dtype)
    start = np.ones(min(residuals.shape), residuals.dtype)
    _, _, components = svds(residuals, k=count, v0=start)
    return mean, components


def _best_starts(
    spectra: NDArray[np.floating],
    mean: NDArray[np.floating],
    components: NDArray[np.floating],
    max_shift: int,
) -> NDArray[np.intp]:
    """Where every spectrum is nearest to the subspace: |x - m|^2 less its part inside."""
    basis = np.concatenate([mean[None], components]).astype(np.float64)
    # Of equally good shifts the smallest.
    order = np.argsort(np.abs(np.arange(-max_shift, max_shift + 1)), kind="stable")
    starts = np.empty(len(spectra), np.intp)
    for block in row_blocks(spectra.shape, _DOUBLE_SAMPLES):
        error = _squared_distances(spectra[block].astype(np.float64), basis, 2 * max_shift + 1)
        starts[block] = order[np.argmin(error[order], axis=0)]
    return starts


def _squared_distances(
    spectra: NDArray[np.float64], basis: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Squared distances (count, n) to the subspace from each start, less what is constant.

    |x|^2 of every window is a difference of running sums; the rest are products with a few spectra.
    """
    size = basis.shape[1]
    squares = np.zeros((len(spectra), spectra.shape[1] + 1))
    np.cumsum(np.square(spectra), axis=1, out=squares[:, 1:])
    energy = squares[:, size : size + count] - squares[:, :count]
    inside = basis[1:] @ basis[0]
    error = np.empty((count, len(spectra)))
    for start in range(count):
        products = spectra[:, start : start + size] @ basis.T
        error[start] = energy[:, start] - 2.0 * products[:, 0]
        error[start] -= np.square(products[:, 1:] - inside).sum(axis=1)
    return error
