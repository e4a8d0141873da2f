"""What is known of a point source that was subtracted: its spectrum, and the spaxels it leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from survey.spectra.fill import SpaxelRecord, reason_code
from survey.spectra.grid import resample
from survey.spectra.noise import local_noise
from survey.spectra.psf.correct import FittedSource, HeldSpaxels

HIDDEN_ABOVE = 0.5
"""A spaxel of which a point source explains more than this, and of which too little is left to be
clustered, is one of the point source."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SubtractedSource:
    """A point source that was subtracted from a cube of N spaxels, on a grid of L samples.

    Attributes
    ----------
    centre : (y, x)
    spectrum, error : (L,) arrays
        Its flux, in the unit of the spaxels times their number, and the standard deviation of it.
    point_share : (N,) array
        What it explained of the light of every spaxel; NaN for one that could not be used.
    spaxels : (m,) array of int
        Rows of the spaxels that are its own, at least that at the centre: of their light nothing
        else could be seen.
    share : (m, L) array
        Of its flux in these.
    """

    centre: tuple[float, float]
    spectrum: Floats
    error: Floats
    point_share: Floats
    spaxels: NDArray[np.intp]
    share: Floats


def subtracted_source(
    source: FittedSource,
    held: HeldSpaxels,
    record: SpaxelRecord,
    weights: sparse.csr_array | None,
) -> SubtractedSource:
    """Describe a point source, and give it the spaxels that are its own.

    Parameters
    ----------
    source : FittedSource
    held : HeldSpaxels
    record : SpaxelRecord
        Outcomes are written.
    weights : sparse (L, P) array, optional
        By which spectra were resampled.
    """
    code = reason_code("point source")
    faint = [reason_code(reason) for reason in ("continuum S/N too low", "no positive integral")]
    record.outcome[np.isin(record.outcome, faint) & (record.point_share > HIDDEN_ABOVE)] = code
    own = np.flatnonzero(record.outcome[held.rows] == code)
    share: NDArray[np.floating] = source.share(held.y[own], held.x[own])
    spectrum: NDArray[np.floating] = source.spectrum[None]
    if weights is not None:
        share, spectrum = resample(share, weights), resample(spectrum, weights)
    return SubtractedSource(
        source.centre,
        np.asarray(spectrum[0], np.float64),
        local_noise(spectrum)[0],
        record.point_share,
        held.rows[own],
        np.asarray(share, np.float64),
    )
