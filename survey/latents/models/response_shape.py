"""How the response of a spectrum changes its shape, against a common one.

The counts of one source differ from detection to detection with the effective area: the aim point,
the chip, the years of contamination. Models compare spectra as they would be through the mean
response of those that they learned from. For each spectrum, that is the ratio of two expected
shapes of the mean source: through its own response, and through the mean one. It is exact for the
mean source; how energies are smeared differs little between the responses of one camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from survey.errors import DataError
from survey.latents.folding import UNKNOWN_RESPONSE, Folding, Integers
from survey.latents.grid import Floats, Grid
from survey.latents.spectra import SpectrumSet

ITERATIONS = 40
LARGEST_RATIO = 20.0
LEAST_SHARE = 1e-4
"""Where the mean source has less than this share of its brightest bin, ratios are not used."""


@dataclass(frozen=True, eq=False)
class ResponseShape:
    """The mean source of a set of spectra, and what it looks like through their mean response.

    Attributes
    ----------
    energies : Grid
    photons : array (e,)
        Spectrum of the mean source, its sum one.
    matrix : array (e, p)
        The mean response, in cm2.
    """

    energies: Grid
    photons: Floats
    matrix: Floats

    @cached_property
    def reference(self) -> Floats:
        """Expected shape (p,) of the mean source through the mean response, its sum one."""
        expected = self.photons @ self.matrix
        return np.asarray(expected / expected.sum())

    @classmethod
    def of(cls, spectra: SpectrumSet, background: Floats) -> ResponseShape | None:
        """Learn from spectra with responses; None if they have none.

        The mean source is the most likely one for the sum of the spectra, by
        expectation-maximisation (Richardson 1972; Lucy 1974) from a flat start, stopped early.
        """
        if spectra.folding is None or spectra.response is None:
            return None
        net = np.where(spectra.mask, spectra.values - background, 0.0)
        weight = np.maximum(net.sum(axis=1), 0.0) + 1.0
        matrix = _mean_matrix(spectra.folding, spectra.response, weight)
        counts = np.maximum(net.sum(axis=0), 0.0)
        norm = np.maximum(matrix.sum(axis=1), 1e-300)
        photons = spectra.folding.energies.widths / spectra.folding.energies.centres
        photons = np.where(norm > 1e-6 * norm.max(), photons, 0.0)
        for _ in range(ITERATIONS):
            expected = np.maximum(photons @ matrix, 1e-300)
            photons = photons * (matrix @ (counts / expected)) / norm
        return cls(spectra.folding.energies, photons / photons.sum(), matrix)

    def relative(self, spectra: SpectrumSet) -> Floats:
        """Shape (n, p) of the mean source through each response, over that of the mean one.

        Raises
        ------
        DataError
            See `folding_of`.
        """
        folding, numbers = self.folding_of(spectra)
        own = folding.fold(self.photons, numbers)
        own /= np.maximum(own.sum(axis=1, keepdims=True), 1e-300)
        usable = self.reference > LEAST_SHARE * self.reference.max()
        ratio = np.divide(own, self.reference, out=np.ones_like(own), where=usable)
        return np.asarray(np.clip(ratio, 1 / LARGEST_RATIO, LARGEST_RATIO))

    def folding_of(self, spectra: SpectrumSet) -> tuple[Folding, Integers]:
        """Responses of spectra and their numbers (n,); the mean one stands for an unknown one.

        Raises
        ------
        DataError
            If there are none at all, or they are for other energies than those of the model.
        """
        if spectra.folding is None or spectra.response is None:
            raise DataError(
                "the model compares spectra through their responses",
                expected="spectra with their RMF and ARF",
                found="none of them",
                advice="Put the responses beside the spectra, or name one with --response.",
            )
        if spectra.folding.energies != self.energies:
            raise DataError(
                "responses on other photon energies than the model's",
                expected=self.energies.describe(),
                found=spectra.folding.energies.describe(),
            )
        unknown = spectra.response == UNKNOWN_RESPONSE
        if not unknown.any():
            return spectra.folding, spectra.response
        folding = spectra.folding.with_one_more(sparse.csr_array(self.matrix), "mean")
        return folding, np.where(unknown, len(spectra.folding), spectra.response)


def _mean_matrix(
    folding: Folding, response: npt.NDArray[np.int64], weight: Floats
) -> npt.NDArray[np.float64]:
    """The mean of the responses (e, p), each by the weights of its spectra."""
    total = sparse.csr_array((len(folding.energies), folding.n_bins))
    for number in np.unique(response).tolist():
        share = float(weight[response == number].sum() / weight.sum())
        total = total + folding.matrix(number) * share
    return np.asarray(total.toarray())
