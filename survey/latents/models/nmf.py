"""Non-negative matrix factorisation: spectra as sums of a few positive components.

Counts n are taken as Poisson with the mean  W H + b:  weights of each spectrum times common
components, on top of its own expected background b, which stays as it is. The multiplicative
updates of Lee & Seung (2001, NIPS 13) for the Kullback-Leibler divergence are the
expectation-maximisation of this likelihood (Shepp & Vardi 1982), also with b and with bins
missing: the likelihood never falls. Flux has normal errors: see `survey.latents.models.nmf_flux`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from survey.latents.grid import Floats
from survey.latents.models.base import Arrays, Representation
from survey.latents.models.likelihood import TINY
from survey.latents.models.nmf_flux import (
    LEAST,
    encode_flux,
    factorise_flux,
    flux_in_amplitudes,
    limited,
)
from survey.latents.spectra import SpectrumSet

PRIOR_SHARE = 0.3
"""Share of the mean shape in the random initial components."""


class SpectralNMF(Representation):
    """NMF by likelihood, background known. Latents are the shares of the components.

    Parameters
    ----------
    n_latents : int
        Number of components.
    max_iterations : int
        Of the fit, and of finding weights for fixed components.
    tolerance : float
        The fit ends when ten iterations gain less than this, relative to the likelihood ratio
        (of flux, when one iteration gains less, relative to the sum of squares).
    seed : int
        Of the components to start from.

    Attributes
    ----------
    components_ : array (k, p)
        Not negative, each summing to one; of flux, with a mean of one.
    n_iterations_ : int
    """

    name: ClassVar[str] = "nmf"
    components_: Floats
    n_iterations_: int

    def __init__(
        self,
        n_latents: int = 8,
        max_iterations: int = 500,
        tolerance: float = 1e-5,
        seed: int = 0,
    ) -> None:
        self.n_latents = n_latents
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.seed = seed

    def _learn(self, spectra: SpectrumSet, **options: Any) -> None:
        rng = np.random.default_rng(self.seed)
        if spectra.kind == "flux":
            self._learn_flux(spectra, rng)
            return
        random = rng.dirichlet(np.full(len(spectra.grid), 5.0), self.n_latents)
        start = (1 - PRIOR_SHARE) * random + PRIOR_SHARE * self.mean_shape_
        _, self.components_, self.n_iterations_ = self._factorise(spectra, start, learn=True)

    def _learn_flux(self, spectra: SpectrumSet, rng: np.random.Generator) -> None:
        flux, ivar = flux_in_amplitudes(spectra, self.mean_shape_)
        mean = np.maximum(self.mean_shape_, LEAST)
        # Spectra of the sample, pulled to the mean: far apart already, and nowhere zero.
        some = rng.choice(len(flux), self.n_latents, replace=len(flux) < self.n_latents)
        own = np.where(spectra.mask[some], np.maximum(flux[some], 0.0), mean)
        start = (1 - PRIOR_SHARE) * own + PRIOR_SHARE * mean
        _, components, losses = factorise_flux(
            flux, limited(ivar), start,
            max_iterations=self.max_iterations, tolerance=self.tolerance,
        )  # fmt: skip
        self.components_ = components / components.mean(axis=1, keepdims=True)
        self.n_iterations_ = len(losses) - 1

    def _encode(self, spectra: SpectrumSet) -> Floats:
        if spectra.kind == "flux":
            flux, ivar = flux_in_amplitudes(spectra, self.mean_shape_)
            weights = encode_flux(flux, ivar, self.components_)
        else:
            weights, *_ = self._factorise(spectra, self.components_, learn=False)
        return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), TINY))

    def _decode(self, latents: Floats) -> Floats:
        shape = np.maximum(latents, 0.0) @ self.components_
        total = shape.mean if self.kind_ == "flux" else shape.sum
        return np.asarray(shape / np.maximum(total(axis=1, keepdims=True), TINY))

    def _factorise(
        self, spectra: SpectrumSet, components: Floats, *, learn: bool
    ) -> tuple[Floats, Floats, int]:
        """Weights (n, k), components and the number of iterations."""
        counts, mask = spectra.values, spectra.mask.astype(np.float64)
        relative = self.relative(spectra)
        background = self.background_.expected(spectra)
        net = np.maximum((counts - background).sum(axis=1), 0.1 * counts.sum(axis=1) + 0.1)
        weights = np.tile(net[:, np.newaxis] / self.n_latents, (1, self.n_latents))
        last, done = np.inf, 0
        through = mask * relative
        for done in range(1, self.max_iterations + 1):
            mean = (weights @ components) * relative + background + TINY
            quotient = through * counts / mean
            weights *= (quotient @ components.T) / np.maximum(through @ components.T, TINY)
            if learn:
                mean = (weights @ components) * relative + background + TINY
                quotient = through * counts / mean
                components = components * (weights.T @ quotient)
                components /= np.maximum(weights.T @ through, TINY)
                norm = np.maximum(components.sum(axis=1), TINY)
                components /= norm[:, np.newaxis]
                weights *= norm
            if done % 10 == 0:
                mean = (weights @ components) * relative + background + TINY
                loss = float(np.sum(mask * (mean - counts * np.log(mean))))
                floor = float(np.sum(counts - counts * np.log(np.maximum(counts, 1))))
                if last - loss <= self.tolerance * (loss - floor):
                    break
                last = loss
        return weights, components, done

    def arrays(self) -> Arrays:
        """The components."""
        return {"components": self.components_}

    def restore(self, arrays: Arrays) -> None:
        """Take the components."""
        self.components_ = arrays["components"]
        if self.components_.shape != (self.n_latents, len(self.grid_)):
            raise ValueError("the components do not fit the grid")

    def facts(self) -> dict[str, Any]:
        """How long the fit took to settle."""
        return {"n_iterations": self.n_iterations_}

    def remember(self, facts: dict[str, Any]) -> None:
        """Take it back."""
        self.n_iterations_ = int(facts["n_iterations"])
