"""Planes of one resolution: each is convolved to the widest of their point-spread functions.

The kernel is the discrete Gaussian (Lindeberg 1990, IEEE PAMI 12, 234), whose variance is exact on
a grid however narrow it is. It brings the share of the central spaxel to that of the widest plane.
Spaxels without data have no weight, and the weights of the others have a sum of one, so that the
level of the light stays also at the edge of the field. Neighbouring spaxels share more noise than
before, the more the shorter the wavelength: the noise of a plane falls, and errors of averages have
to be made with the correlations measured afterwards, as those of clusters are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ive

from survey.spectra.blocks import Rows
from survey.spectra.psf.profiles import PointSpread

_REACH_SIGMA = 3.5
_HALF_FIELD = 12
_KNOTS = 9
_BISECTIONS = 30

Floats = NDArray[np.float64]


def kernel_variance(psf: PointSpread) -> Floats:
    """(L,) variance along one axis, in spaxels squared, of the kernel of every plane."""
    widest = int(np.argmax(psf.fwhm))
    order = np.argsort(psf.fwhm)
    knots = order[np.linspace(0, len(order) - 1, min(_KNOTS, len(order))).astype(int)]
    steps = np.arange(-_HALF_FIELD, _HALF_FIELD + 1)
    y, x = (axis.ravel().astype(float) for axis in np.meshgrid(steps, steps, indexing="ij"))
    target = psf.of_planes(np.array([widest])).share(np.zeros(1), np.zeros(1))[0, 0]
    images = psf.of_planes(knots).share(y, x).T.reshape(len(knots), len(steps), len(steps))
    low, high = np.zeros(len(knots)), np.full(len(knots), float(psf.fwhm.max()) ** 2)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        along = ive(np.abs(steps), middle[:, None])
        peak = np.einsum("ky,kyx,kx->k", along, images, along)
        low, high = np.where(peak > target, middle, low), np.where(peak > target, high, middle)
    return np.interp(psf.fwhm, psf.fwhm[knots], low)


def matched(
    flux: Rows,
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    part: slice,
    error: NDArray[np.floating],
    variance: Floats,
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Some spaxels at one resolution.

    Parameters
    ----------
    flux : (n, L) table
        Of all spaxels, without gaps.
    y, x : (n,) arrays of int
    part : slice
        Which of them.
    error : (m, L) array
        Of these.
    variance : (L,) array
        See `kernel_variance`.

    Returns
    -------
    flux, error : (m, L) arrays
        The error is that of independent spaxels of equal errors.
    """
    reach = int(np.ceil(_REACH_SIGMA * np.sqrt(float(variance.max()))))
    steps = np.arange(-reach, reach + 1)
    down, right = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    weights = (ive(np.abs(down)[:, None], variance) * ive(np.abs(right)[:, None], variance)).astype(
        flux.dtype
    )
    place = np.full((int(y.max()) + 2 * reach + 1, int(x.max()) + 2 * reach + 1), -1)
    place[y + reach, x + reach] = np.arange(len(y))
    # (m, offsets) rows of the spaxels around each.
    around = place[(y[part] + reach)[:, None] + down, (x[part] + reach)[:, None] + right]
    first = int(around[around >= 0].min())
    read = flux[first : int(around.max()) + 1]
    total, weight, squared = (np.zeros(error.shape, flux.dtype) for _ in range(3))
    for column, of_offset in enumerate(weights):
        known = np.flatnonzero(around[:, column] >= 0)
        total[known] += of_offset * read[around[known, column] - first]
        weight[known] += of_offset
        squared[known] += np.square(of_offset)
    return total / weight, (error * np.sqrt(squared) / weight).astype(error.dtype)
