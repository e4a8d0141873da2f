"""Splits a spectrum into two independent, shorter observations of the same source.

Each count is kept with the probability `fraction`: the counts kept and the rest are again Poisson
and independent of each other (binomial thinning). What one half predicts of the other cannot be
noise. For normal errors, noise is drawn once, added to one half and subtracted from the other (data
fission; Leiner et al. 2023). If errors of neighbouring bins are correlated, these halves are not
quite independent.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from survey.errors import DataError
from survey.latents.spectra import SpectrumSet


def split(
    spectra: SpectrumSet, fraction: npt.ArrayLike, rng: np.random.Generator
) -> tuple[SpectrumSet, SpectrumSet]:
    """Split spectra into shorter observations and the rest.

    Parameters
    ----------
    spectra : SpectrumSet
    fraction : float or array (n,)
        Share of the exposure that goes into the first, in (0, 1).
    rng : Generator

    Returns
    -------
    kept, rest : SpectrumSet
        Expected background and exposure, or inverse variance, are shared in proportion. The
        background regions themselves are in both: they are known from elsewhere.

    Raises
    ------
    DataError
        If a fraction is not in (0, 1).
    """
    share = np.broadcast_to(np.asarray(fraction, dtype=np.float64), len(spectra))
    if not ((share > 0) & (share < 1)).all():
        raise DataError("a spectrum is split by a fraction in (0, 1)", found=str(share))
    part = share[:, np.newaxis]
    if spectra.kind == "counts":
        kept = rng.binomial(spectra.values.astype(np.int64), part).astype(np.float64)
        return _counts(spectra, kept, part), _counts(spectra, spectra.values - kept, 1 - part)
    assert spectra.ivar is not None
    sigma = np.where(spectra.mask, 1 / np.sqrt(np.where(spectra.mask, spectra.ivar, 1.0)), 0.0)
    noise = sigma * rng.standard_normal(sigma.shape)
    return (
        _flux(spectra, spectra.values + np.sqrt((1 - part) / part) * noise, part),
        _flux(spectra, spectra.values - np.sqrt(part / (1 - part)) * noise, 1 - part),
    )


def _counts(spectra: SpectrumSet, values: np.ndarray, part: np.ndarray) -> SpectrumSet:
    assert spectra.exposure_s is not None
    scale = spectra.background_scale
    return replace(
        spectra,
        values=values,
        background_scale=None if scale is None else scale * part,
        exposure_s=spectra.exposure_s * part[:, 0],
    )


def _flux(spectra: SpectrumSet, values: np.ndarray, part: np.ndarray) -> SpectrumSet:
    assert spectra.ivar is not None
    return replace(spectra, values=values, ivar=spectra.ivar * part)
