"""Principal components: of square-root counts, whose noise is the same everywhere, or of flux.

The baseline of linear methods. It knows neither noise nor background: faint spectra get the
components of their noise, and a background is part of the shape.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.decomposition import PCA

from survey.latents.grid import Floats
from survey.latents.models.base import Arrays, Representation
from survey.latents.models.likelihood import TINY
from survey.latents.models.mean_shape import filled, flux_scale
from survey.latents.spectra import SpectrumSet


class SpectralPCA(Representation):
    """Principal component analysis of shapes.

    Parameters
    ----------
    n_latents : int
        Number of components.
    seed : int
        Not used: the components are exact. There for the sake of one interface.

    Attributes
    ----------
    centre_ : array (p,)
    components_ : array (k, p)
    """

    name: ClassVar[str] = "pca"

    centre_: Floats
    components_: Floats

    def __init__(self, n_latents: int = 8, seed: int = 0) -> None:
        self.n_latents = n_latents
        self.seed = seed

    def _at_least(self) -> int:
        return self.n_latents + 1

    def _learn(self, spectra: SpectrumSet, **options: Any) -> None:
        found = PCA(self.n_latents, svd_solver="full").fit(self._shapes(spectra))
        # In the order in which files hold them: products are then the same to the last bit.
        self.centre_, self.components_ = found.mean_, np.ascontiguousarray(found.components_)

    def _shapes(self, spectra: SpectrumSet) -> Floats:
        """Square roots of the shares of the bins, or flux in units of the amplitude."""
        as_mean = spectra.values / self.relative(spectra)
        values = filled(as_mean, spectra.mask, self.mean_shape_)
        if spectra.kind == "flux":
            return np.asarray(values / flux_scale(spectra, self.mean_shape_)[:, np.newaxis])
        return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), TINY))

    def _encode(self, spectra: SpectrumSet) -> Floats:
        return np.asarray((self._shapes(spectra) - self.centre_) @ self.components_.T)

    def _decode(self, latents: Floats) -> Floats:
        """Shapes; of counts, those of source and background together."""
        shape = self.centre_ + latents @ self.components_
        if self.kind_ == "flux":
            return np.asarray(shape)
        square = np.maximum(shape, 0.0) ** 2
        return np.asarray(square / np.maximum(square.sum(axis=1, keepdims=True), TINY))

    def expected(self, spectra: SpectrumSet, latents: Floats | None = None) -> Floats:
        """Expected values (n, p); the background of counts is in the shape already."""
        if spectra.kind == "flux":
            return super().expected(spectra, latents)
        self._check(spectra)
        shape = self.seen_shapes(spectra, self._latents(spectra) if latents is None else latents)
        usable = np.where(spectra.mask, shape, 0.0).sum(axis=1)
        return np.asarray(shape * (spectra.totals / np.maximum(usable, TINY))[:, np.newaxis])

    def arrays(self) -> Arrays:
        """Mean and components."""
        return {"centre": self.centre_, "components": self.components_}

    def restore(self, arrays: Arrays) -> None:
        """Take mean and components."""
        self.centre_, self.components_ = arrays["centre"], arrays["components"]
        if self.components_.shape != (self.n_latents, len(self.grid_)):
            raise ValueError("the components do not fit the grid")
