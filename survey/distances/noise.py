"""The noise in distances, and distances without it.

The distance of two noisy spectra of one shape is the sum of their noise energies. So the faint
spaxels of a galaxy are far from all others and from each other, and a tree separates them ring by
ring before it separates shapes. The noise energy of every spectrum can be measured and subtracted;
the rest fluctuates around the distance of the shapes.

On 96 simulated MRS cubes of S/N 4 to 30 the adjusted Rand index with the truth, at the true
number of clusters, rises from 0.30 to 0.33: at S/N 4 from 0.25 to 0.37, at S/N 30 not at all.

A tenth to a third of all pairs are no further apart than their noise. If these were set to zero,
they would be equal, and the order of the spaxels would decide which are joined first. So they keep
a part of their distance, and with it their order (adjusted Rand index on 46 cubes of S/N 4 to 30,
cut at 3 to 8 clusters: 0.37 with zeros, 0.39 with a tenth).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.spectra.blocks import Rows, row_blocks
from survey.spectra.noise import local_noise

FLOOR = 0.1
"""Least fraction of a distance that is kept, so that pairs within the noise stay in order."""

_BLOCK_SAMPLES = 2**21


def noise_energy(spectra: Rows) -> NDArray[np.float64]:
    """Expected square of the noise, summed over the samples of every spectrum.

    Parameters
    ----------
    spectra : (n, L) table of float, finite

    Returns
    -------
    (n,) array of float64
        In the square of the unit of the spectra.
    """
    energy = np.empty(spectra.shape[0])
    for rows in row_blocks(spectra.shape, _BLOCK_SAMPLES):
        energy[rows] = np.square(local_noise(spectra[rows])).sum(axis=1)
    return energy


def without_noise(
    condensed: NDArray[np.floating],
    energy: NDArray[np.float64],
    *,
    out: NDArray[np.floating] | None = None,
) -> NDArray[np.floating]:
    """Squared distances without the noise of both spectra, at least `FLOOR` of the distance.

    Neighbouring spaxels share noise, and for them more than their part is taken off: they are
    joined a little more readily.

    Parameters
    ----------
    condensed : (n (n-1) / 2,) array
        Squared distances in SciPy's order.
    energy : (n,) array
        See `noise_energy`.
    out : (n (n-1) / 2,) array, optional
        Where to put the result; may be `condensed` itself.
    """
    cleaned = np.empty_like(condensed) if out is None else out
    start, size = 0, len(energy)
    for i in range(size - 1):
        stop = start + size - 1 - i
        subtract_energy(condensed[start:stop], energy[i] + energy[i + 1 :], cleaned[start:stop])
        start = stop
    return cleaned


def subtract_energy(
    squared: NDArray[np.floating], energy: NDArray[np.float64], out: NDArray[np.floating]
) -> None:
    """Squared distances of one spectrum less the noise energy of both, see `without_noise`.

    `out` may be `squared` itself.
    """
    least = squared * squared.dtype.type(FLOOR)
    np.subtract(squared, energy.astype(squared.dtype), out=out)
    np.maximum(out, least, out=out)
