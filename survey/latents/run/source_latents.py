"""Latents of sources with their covariances, as they are and as they would be at equal counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.latents.grid import Floats
from survey.latents.models.base import Representation
from survey.latents.spectra import SpectrumSet
from survey.latents.uncertainty import covariance_of, latent_draws


@dataclass(frozen=True, eq=False)
class SourceLatents:
    """What a model makes of n spectra of counts, in k latents.

    Attributes
    ----------
    values, errors : array (n, k)
    covariance : array (n, k, k)
        Of their noise; `errors` are the roots of its diagonals.
    alike, alike_errors : array (n, k)
        The same latents as they would be at equal counts, for comparing sources.
    """

    values: Floats
    errors: Floats
    covariance: Floats
    alike: Floats
    alike_errors: Floats


def source_latents(
    model: Representation, spectra: SpectrumSet, latents: Floats, seed: int
) -> SourceLatents:
    """Latents, and their scatter over new observations of the same spectra.

    Parameters
    ----------
    model : Representation
    spectra : SpectrumSet
        Of counts.
    latents : array (n, k)
        Those of the spectra.
    seed : int
    """
    draws, counts = latent_draws(model, spectra, seed=seed, latents=latents)
    factor = np.ones(latents.shape)
    if model.calibration_ is not None:
        factor = model.calibration_.factor(spectra.totals)
    errors = np.std(draws, axis=0, ddof=1) * factor
    alike = np.stack(
        [model.at_equal_counts(one, total) for one, total in zip(draws, counts, strict=True)]
    )
    return SourceLatents(
        latents,
        errors,
        covariance_of(draws, errors),
        model.at_equal_counts(latents, spectra.totals),
        np.std(alike, axis=0, ddof=1) * factor,
    )
