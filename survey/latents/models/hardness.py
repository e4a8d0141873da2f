"""Hardness ratios: the three colours of X-ray astronomy, as the simplest representation.

    HR = (b - a) / (b + a)   of counts a, b in two bands, the harder one b

in the bands of the Chandra Source Catalog (Evans et al. 2010, ApJS 189, 37): soft, medium and
hard, 0.5-1.2-2.0-7.0 keV.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from survey.errors import DataError
from survey.latents.grid import Floats
from survey.latents.models.base import Arrays, Representation
from survey.latents.spectra import Kind, SpectrumSet

PRIOR_COUNTS = 0.5
"""Added to each band, so that ratios of empty bands are defined."""


class HardnessRatios(Representation):
    """Hard/medium, medium/soft and hard/soft hardness ratios of counts above the background.

    Parameters
    ----------
    edges_kev : tuple of 4 floats
        Edges of the three bands.
    """

    name: ClassVar[str] = "hardness"
    kinds: ClassVar[tuple[Kind, ...]] = ("counts",)
    n_latents = 3

    def __init__(self, edges_kev: tuple[float, float, float, float] = (0.5, 1.2, 2.0, 7.0)) -> None:
        self.edges_kev = edges_kev

    def _at_least(self) -> int:
        return 1

    def _learn(self, spectra: SpectrumSet, **options: Any) -> None:
        empty = [k for k, band in enumerate(self._bands(spectra)) if not band.any()]
        if spectra.grid.unit != "keV" or empty:
            raise DataError(
                "the grid has no bins in some of the bands",
                expected=f"bins of energy over {self.edges_kev} keV",
                found=f"{spectra.grid.edges[0]:g} to {spectra.grid.edges[-1]:g} "
                f"{spectra.grid.unit}",
            )

    def _bands(self, spectra: SpectrumSet) -> list[np.ndarray]:
        centres = spectra.grid.centres
        low, high = self.edges_kev[:-1], self.edges_kev[1:]
        return [(centres >= a) & (centres < b) for a, b in zip(low, high, strict=True)]

    def _encode(self, spectra: SpectrumSet) -> Floats:
        net = (spectra.values - self.background_.expected(spectra)) / self.relative(spectra)
        bands = [net[:, band].sum(axis=1) for band in self._bands(spectra)]
        soft, medium, hard = (np.maximum(band, 0) + PRIOR_COUNTS for band in bands)
        pairs = ((hard, medium), (medium, soft), (hard, soft))
        return np.stack([(b - a) / (b + a) for b, a in pairs], axis=1)

    def _decode(self, latents: Floats) -> Floats:
        """The mean shape, its bands scaled to the ratios to the medium band."""
        to_medium, to_soft = (np.clip(latents[:, k], -0.999, 0.999) for k in (0, 1))
        hard = (1 + to_medium) / (1 - to_medium)
        soft = (1 - to_soft) / (1 + to_soft)
        low, a, b, high = self.edges_kev
        centres = self.grid_.centres
        bands = (centres < a, (centres >= a) & (centres < b), centres >= b)
        parts = [self.mean_shape_ * band for band in bands]
        inside = [part[(centres >= low) & (centres < high)].sum() for part in parts]
        ratios = (soft, np.ones_like(soft), hard)
        shape = sum(
            np.outer(ratio / total, part)
            for ratio, total, part in zip(ratios, inside, parts, strict=True)
        )
        return np.asarray(shape / np.sum(shape, axis=1, keepdims=True))

    def arrays(self) -> Arrays:
        """Nothing beyond what every representation has."""
        return {}

    def restore(self, arrays: Arrays) -> None:
        """Nothing to restore."""
