"""What the spaxels of a galaxy are compared by: their spectra, or a representation of these.

A representation knows no shift of a pair, so the spectra are aligned in velocity once. It is
fitted on some of the galaxy's own spaxels, or was fitted before and is read. What is compared
are the spectra as the representation describes them, without the noise that it does not; these
have few dimensions, so that a few numbers, coordinates on their principal axes, have the
distances of the whole. Latents themselves have no scale: standardised, one that holds nothing but
noise counts as much as the first (`tests/benchmarks/bench_latent_metrics.py`).
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from catalogs.durable import hash_file
from survey.clustering.aligned import aligned_by, aligned_reference
from survey.clustering.basis import SpectralBasis, spectral_basis
from survey.clustering.noise_bias import noise_energy
from survey.clustering.pairs import random_sample
from survey.clustering.shifts import best_shifts
from survey.config import DistanceSettings
from survey.errors import ConfigError, DataError
from survey.latent.autoencoder import require_torch
from survey.latent.base import Representation
from survey.latent.grid import Floats, Grid
from survey.latent.methods import make_representation
from survey.latent.spectra import SpectrumSet
from survey.latent.store import CARD_FILE, load_model
from survey.spectra.noise import local_noise
from survey.spectra.prepare import Prepared
from survey.spectra.rows import Allocate, Rows, in_memory, row_blocks

METHOD_OF = {"pca": "pca", "nmf": "nmf", "latent": "autoencoder"}
"""Representations of the settings, by their names in `survey.latent`."""

FIT_SPAXELS = 2000
"""Spaxels of a galaxy from which a representation learns, at most, drawn at random."""

EPOCHS, BATCH = 16, 64
"""Of a network that learns from one galaxy: nearly the steps of the default, for half the time."""

CODE_VERSION = 1
"""Raised when the same settings make another representation."""

NOISE_DRAWS = 8
"""Patterns of noise by which the noise of what is compared is measured."""

LEAST_USABLE = 0.5
"""Of the bins of a model, the fraction for which a galaxy has to have data."""

_BLOCK_SAMPLES = 2**19


@dataclass(frozen=True)
class Compared:
    """What the distances are taken of.

    Parameters
    ----------
    rows : (n, d) table
        Spectra, or a few numbers for each spaxel.
    max_shift : int
        In columns of it; 0 for what has been aligned.
    energy : (n,) array
        Expected square of the noise in a row.
    at_limit_fraction : float, optional
        Of the spaxels, those that were aligned by the largest shift; None for spectra.
    """

    rows: Rows
    max_shift: int
    energy: NDArray[np.float64]
    at_limit_fraction: float | None = None


def what_is_compared(
    prepared: Prepared,
    settings: DistanceSettings,
    seed: int,
    allocate: Allocate = in_memory,
) -> Compared:
    """The spectra of a galaxy, or its representation.

    Parameters
    ----------
    prepared : Prepared
    settings : DistanceSettings
    seed : int
    allocate : callable
        Makes room for the table "vectors" of a representation.

    Raises
    ------
    ConfigError
        If the representation needs what is not installed, or a model of another method was given.
    DataError
        If there is no such model, or it has too few wavelengths of the galaxy.
    """
    spectra, max_shift = prepared.spectra, prepared.max_shift
    if settings.representation == "spectrum":
        return Compared(spectra, max_shift, noise_energy(spectra))
    with threadpool_limits(1, user_api="blas"):  # sums in the same order everywhere
        described = _Described.of(prepared, settings, seed)
        vectors = allocate("vectors", (spectra.shape[0], described.n_numbers), np.dtype(np.float32))
        energy, at_limit = np.zeros(spectra.shape[0]), 0
        for rows in row_blocks(spectra.shape, _BLOCK_SAMPLES):
            block = described.aligned(spectra[rows])
            vectors[rows] = described.vectors(block.spectra)
            at_limit += block.n_at_limit
            if settings.noise == "subtract":
                energy[rows] = described.energy(block.spectra)
    return Compared(vectors, 0, energy, at_limit / len(energy))


def n_latents(settings: DistanceSettings) -> int | None:
    """Numbers that stand for a spectrum in the distances; None if it stands for itself."""
    if settings.representation == "spectrum":
        return None
    if settings.model is None:
        return settings.latents
    return int(_given_model(settings).get_params()["n_latents"])


def check_representation(settings: DistanceSettings) -> None:
    """Refuse, before anything is computed, what could not be.

    Raises
    ------
    ConfigError, DataError
        See `what_is_compared`.
    """
    if settings.model is not None:
        _given_model(settings)
    elif settings.representation == "latent":
        require_torch()


def representation_key(settings: DistanceSettings) -> list[Any]:
    """What the linkage depends on besides the settings: nothing, or the content of a model."""
    if settings.representation == "spectrum":
        return []
    network = [_torch_version()] if settings.representation == "latent" else []
    given = [] if settings.model is None else [_card_hash(Path(settings.model))]
    return [CODE_VERSION, *network, *given]


@dataclass(frozen=True)
class _Aligned:
    """A block of spectra (m, M) that have been aligned, and how many of them hit the limit."""

    spectra: NDArray[np.floating]
    n_at_limit: int


@dataclass(frozen=True)
class _Axis:
    """How aligned spectra of a galaxy become a set that a representation takes.

    On a grid of another galaxy's, samples that are not compared are told from those that are.
    """

    wavelength_um: Floats
    compared: NDArray[np.bool_]
    model_grid: Grid | None

    def of(self, spectra: NDArray[np.floating], noise: Floats) -> SpectrumSet:
        """Spectra (m, M) with so much noise in every sample."""
        exact = spectra.astype(np.float64)
        if self.model_grid is None:
            grid = Grid.from_centres(self.wavelength_um[self.compared], "um")
            return SpectrumSet(exact, grid, "flux", ivar=noise**-2.0, frame="rest")
        shape = len(spectra), len(self.wavelength_um)
        values, ivar = np.zeros(shape), np.zeros(shape)
        values[:, self.compared], ivar[:, self.compared] = exact, noise**-2.0
        grid = Grid.from_centres(self.wavelength_um, "um")
        whole = SpectrumSet(values, grid, "flux", mask=ivar > 0, ivar=ivar, frame="rest")
        return whole.rebinned(self.model_grid)


@dataclass(frozen=True)
class _Described:
    """A representation of the spectra of one galaxy, and axes for what it describes.

    Parameters
    ----------
    model : Representation
    axis : _Axis
    reference : (M,) array
        With which spectra are aligned.
    max_shift : int
    patterns : (NOISE_DRAWS, M) array
        Noise of unit variance. The same for all spaxels, so that none is far from another
        because it has had the worse luck.
    basis : SpectralBasis
    """

    model: Representation
    axis: _Axis
    reference: NDArray[np.float64]
    max_shift: int
    patterns: Floats
    basis: SpectralBasis

    @classmethod
    def of(cls, prepared: Prepared, settings: DistanceSettings, seed: int) -> _Described:
        """Fit, or read, the representation, and find the axes."""
        sample = prepared.spectra[random_sample(prepared.spectra.shape[0], FIT_SPAXELS, seed)]
        max_shift = prepared.max_shift
        reference = aligned_reference(sample, max_shift, noise_energy(sample))
        sample = aligned_by(sample, reference, best_shifts(sample, reference, max_shift))
        model = None if settings.model is None else _given_model(settings)
        grid = None if model is None else model.grid_
        axis = _Axis(prepared.wavelength_um, prepared.compared, grid)
        spectra = axis.of(sample, _noise(sample))
        if model is None:
            model = _own_model(spectra, settings, seed)
        elif (usable := float(spectra.mask.mean())) < LEAST_USABLE:
            raise DataError(
                "the model is of other wavelengths than the galaxy",
                file=settings.model,
                expected=f"data for {LEAST_USABLE:.0%} of its bins",
                found=f"{usable:.0%}",
                advice="Fit one on galaxies of this window, or leave out distance.model.",
            )
        patterns = np.random.default_rng(seed).standard_normal((NOISE_DRAWS, sample.shape[1]))
        numbers = int(model.get_params()["n_latents"])
        basis = spectral_basis(model.expected(spectra), numbers, seed=seed)
        return cls(model, axis, reference, max_shift, patterns, basis)

    @property
    def n_numbers(self) -> int:
        """Numbers for each spaxel."""
        return len(self.basis.components)

    def aligned(self, spectra: NDArray[np.floating]) -> _Aligned:
        """A block of spectra, each moved by its best shift."""
        if not self.max_shift:
            return _Aligned(spectra, 0)
        shifts = best_shifts(spectra, self.reference, self.max_shift)
        n_at_limit = int(np.count_nonzero(np.abs(shifts) == self.max_shift))
        return _Aligned(aligned_by(spectra, self.reference, shifts), n_at_limit)

    def vectors(
        self, aligned: NDArray[np.floating], noise: Floats | None = None
    ) -> NDArray[np.float32]:
        """Coordinates (m, d) of what is expected of spectra; their noise is measured by default."""
        spectra = self.axis.of(aligned, _noise(aligned) if noise is None else noise)
        return self.basis.scores(self.model.expected(spectra))

    def energy(self, aligned: NDArray[np.floating]) -> NDArray[np.float64]:
        """Expected squares (m,) of the noise in coordinates: how far more noise moves them."""
        noise, here = _noise(aligned), self.vectors(aligned)
        moved = np.zeros(len(aligned))
        for pattern in self.patterns:
            there = self.vectors(aligned + noise * pattern, noise)
            moved += np.square(there - here, dtype=np.float64).sum(axis=1)
        return moved / len(self.patterns)


def _own_model(spectra: SpectrumSet, settings: DistanceSettings, seed: int) -> Representation:
    # On a GPU, or with other threads, a network would come out as another one.
    network = {"epochs": EPOCHS, "batch": BATCH, "threads": 1, "device": "cpu"}
    others = network if settings.representation == "latent" else {}
    most = max(1, min(settings.latents, len(spectra) - 1, len(spectra.grid)))
    name = METHOD_OF[settings.representation]
    return make_representation(name, n_latents=most, seed=seed, **others).fit(spectra)


def _given_model(settings: DistanceSettings) -> Representation:
    assert settings.model is not None
    folder = Path(settings.model)
    model, expected = _loaded(folder, _card_hash(folder)), METHOD_OF[settings.representation]
    if model.name != expected or model.kind_ != "flux":
        raise ConfigError(
            f"not a model for distance.representation = {settings.representation!r}",
            file=folder,
            expected=f"{expected}, fitted on flux",
            found=f"{model.name}, fitted on {model.kind_}",
        )
    return model


def _card_hash(folder: Path) -> str:
    """Hash of a card, which holds that of the arrays: loading refuses others."""
    if not (folder / CARD_FILE).is_file():
        raise ConfigError(
            "distance.model: there is no model in this folder",
            file=folder,
            expected=CARD_FILE,
            advice="Make one with `survey latent fit RUN`, or leave out distance.model.",
        )
    return hash_file(folder / CARD_FILE)


def _torch_version() -> str | None:
    # Of the files of the installation: torch itself takes seconds to import.
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=2)
def _loaded(folder: Path, card_hash: str) -> Representation:
    return load_model(folder)


def _noise(spectra: NDArray[np.floating]) -> Floats:
    # No spectrum is better than the precision it is stored with: weights stay finite.
    brightness = np.abs(spectra).mean(axis=1, keepdims=True, dtype=np.float64)
    least = np.finfo(np.float32).eps * brightness
    return np.maximum(local_noise(spectra), np.maximum(least, np.finfo(np.float32).tiny))
