"""What a person would do: fit an absorbed power law and absorbed plasma, and keep the parameters.

There is nothing to learn. Latents are the photon index and log N_H of the power law, log kT and log
N_H of the plasma, and which of the two fits better.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from survey.errors import DataError
from survey.latents.grid import Floats
from survey.latents.models.base import Arrays, Representation
from survey.latents.spectra import Kind, SpectrumSet
from survey.latents.xray.physical_fit import MODELS, fit_physical, photons_of


class PhysicalFit(Representation):
    """Parameters of fitted physical models; needs spectra of counts with responses.

    The last latent is the difference of the two C-statistics over the root of the counts: positive
    for a power law, and of one size whatever the brightness.
    """

    name: ClassVar[str] = "physical"
    kinds: ClassVar[tuple[Kind, ...]] = ("counts",)
    needs_responses: ClassVar[bool] = True
    calibrated: ClassVar[bool] = False
    n_latents = 5

    def _at_least(self) -> int:
        return 1

    def _learn(self, spectra: SpectrumSet, **options: Any) -> None:
        if self.response_ is None:
            raise DataError(
                "physical models need the responses of the spectra",
                expected="spectra that were read with their RMF and ARF",
                found="none",
            )

    def _encode(self, spectra: SpectrumSet) -> Floats:
        assert self.response_ is not None
        folding, numbers = self.response_.folding_of(spectra)
        spectra = replace(spectra, folding=folding, response=numbers)
        background = self.background_.expected(spectra)
        law, plasma = (fit_physical(spectra, background, name) for name in MODELS)
        better = (plasma.deviance - law.deviance) / np.sqrt(spectra.totals + 1)
        return np.column_stack([law.values, plasma.values, better])

    def _decode(self, latents: Floats) -> Floats:
        """Expected shapes of the better model through the mean response."""
        assert self.response_ is not None
        return _normalised(self._photons(latents) @ self.response_.matrix)

    def seen_shapes(self, spectra: SpectrumSet, latents: Floats) -> Floats:
        """Expected shapes (n, p): photons of the better model, folded by each response."""
        assert self.response_ is not None
        folding, numbers = self.response_.folding_of(spectra)
        return _normalised(folding.fold(self._photons(latents), numbers))

    def _photons(self, latents: Floats) -> Floats:
        """Photons (n, e) of the better model."""
        if self.response_ is None:
            raise DataError("the model was fitted to spectra without responses")
        energies = self.response_.energies
        both = [
            photons_of(name, latents[:, place : place + 2], energies)
            for name, place in zip(MODELS, (0, 2), strict=True)
        ]
        return np.where(latents[:, 4:] >= 0, *both)

    def arrays(self) -> Arrays:
        """Nothing beyond what every representation has."""
        return {}

    def restore(self, arrays: Arrays) -> None:
        """Nothing to restore."""


def _normalised(shape: Floats) -> Floats:
    return np.asarray(shape / np.maximum(shape.sum(axis=1, keepdims=True), 1e-300))
