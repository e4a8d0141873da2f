"""The background of features: the continuum beside lines, its fringes and its noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalogs.reference import Line
from survey.features.continuum import Integrals
from survey.features.empirical_noise import Blanks, integrate_blanks
from survey.features.fringes import Fringes, find_fringes
from survey.features.spectrum import Bools, Floats, Ints, Spectrum
from survey.features.windows import free_samples

MIN_FREE = 0.4
"""Share of the samples that must be out of reach of all catalogued lines."""


@dataclass(frozen=True)
class Background:
    """One spectrum, with continuum, noise and fringes from its line-free samples, `free` (L,)."""

    spectrum: Spectrum
    free: Bools
    fringes: Fringes
    blanks: Blanks

    @classmethod
    def of(cls, spectrum: Spectrum, lines: Sequence[Line]) -> Background:
        """Look at the spectrum between the lines.

        At low resolution the catalogued lines leave nothing between them. Then only common lines
        are kept out of the continuum: rare ones could not be told from it.
        """
        free = free_samples(spectrum, lines)
        if free.sum() < MIN_FREE * spectrum.good.sum():
            free = free_samples(spectrum, [line for line in lines if line.common])
        fringes = find_fringes(spectrum, free)
        return cls(
            spectrum=spectrum,
            free=free,
            fringes=fringes,
            blanks=integrate_blanks(fringes.removed_from(spectrum), free),
        )

    def error_of(self, wavelength_um: Floats, integrals: Integrals, index: Ints) -> Floats:
        """Error of integrals at these wavelengths, by noise and fringes together.

        `index` (M, K) are the positions in the spectrum of the columns of their kernel.
        """
        fringes = self.fringes.error(self.spectrum, integrals.kernel, index)
        return np.hypot(self.blanks.error_of(wavelength_um, integrals), fringes)
