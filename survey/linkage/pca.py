"""Scores of every spectrum on the principal components of a random sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from survey.distances.lags import Array

SAMPLE_SIZE = 4000
"""Spectra in the sample. More spectra change the components only within the noise."""

N_COMPONENTS = 30


@dataclass(frozen=True)
class SpectralBasis:
    """Principal components.

    Parameters
    ----------
    mean : (L,) array
    components : (d, L) array
        Orthonormal, by decreasing variance.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]

    def scores(self, spectra: Array) -> NDArray[np.float32]:
        """Coordinates (m, d) of spectra (m, L): distances between them are those of the spectra.

        Except for what is outside the components, which for spectra like those of the sample
        is noise.
        """
        dtype = np.result_type(spectra, np.float32)
        centred = spectra - self.mean.astype(dtype)
        return (centred @ self.components.T.astype(dtype)).astype(np.float32)


def spectral_basis(
    sample: Array, n_components: int = N_COMPONENTS, *, seed: int = 0
) -> SpectralBasis:
    """Principal components of a sample (m, L) of spectra, see `random_sample`.

    Fewer than `n_components` where the sample has fewer spectra or samples.
    """
    from sklearn.decomposition import PCA  # slow to load

    n_components = min(n_components, *sample.shape)
    with threadpool_limits(1, user_api="blas"):
        found = PCA(n_components, svd_solver="randomized", random_state=seed).fit(sample)
    return SpectralBasis(found.mean_.astype(np.float64), found.components_.astype(np.float64))
